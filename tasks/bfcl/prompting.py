"""From a question to chat turns: its own messages, with the functions and the form of an answer around the request."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from listeval import Message, prompt_template


def turns(messages: Sequence[Message], functions: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """The messages with the last one, the request, set into the prompt; the documents stand in it as they are."""
    *before, request = messages
    documents = [json.dumps(function, ensure_ascii=False) for function in functions]
    ask = prompt_template(Path(__file__).with_name("prompt.jinja"))
    return (*before, Message("user", ask(documents=documents, request=request.content)))
