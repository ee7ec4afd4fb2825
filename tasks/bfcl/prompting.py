"""From a question to chat turns: its own messages, with the functions and the form of an answer around the request."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from listeval.backends.protocol import Message


def turns(messages: Sequence[Message], functions: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """The messages with the last one, the request, set into the prompt; the documents stand in it as they are."""
    *before, request = messages
    documents = [json.dumps(function, ensure_ascii=False) for function in functions]
    return (*before, Message("user", _template()(documents=documents, request=request.content)))


@cache
def _template() -> Callable[..., str]:
    from jinja2 import Environment, StrictUndefined

    source = Path(__file__).with_name("prompt.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source).render
