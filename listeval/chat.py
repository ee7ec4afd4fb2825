"""What a model is asked: chat turns, and the one prompt that they are rendered to."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Literal, NamedTuple


class Message(NamedTuple):
    """One chat turn."""

    role: Literal["system", "user", "assistant"]
    content: str


class Prompt(NamedTuple):
    """One rendered prompt: `text` is the exact string behind `token_ids`.

    Both are empty where only the server knows the template; then `messages` is what is sent.
    """

    messages: tuple[Message, ...]
    text: str = ""
    token_ids: tuple[int, ...] = ()


def turns(worked: Iterable[tuple[str, str]], question: str) -> tuple[Message, ...]:
    """Each worked (question, answer) as a user and an assistant turn, then the question."""
    shown = chain.from_iterable((Message("user", ask), Message("assistant", said)) for ask, said in worked)
    return (*shown, Message("user", question))
