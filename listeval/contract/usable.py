"""The list in a text that holds usable objects: the one which an answer is meant to be, whatever stands around it.

Every `[` and its objects are candidates, also where a budget cut them off and where prose, code, drafts or an object
stand around. The bracket that names the most input ids counts; of equal ones the last, as a model's last word. Where
no bracket holds a usable object, objects one after the other (one a line, say) are such a list without its bracket.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from pydantic_core import ValidationError

from listeval.contract import KeyedList
from listeval.contract.base import validator

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{}"]', re.DOTALL)
_DEPTH = 32
"""Brackets nested deeper than this hold no list of an answer, and looking into all of them would not be linear."""

_PATIENCE, _SHORT = 1, 1 << 17
"""A text is read at most so often over, and a short one so many characters more: again from the next bracket where one
was opened and never closed."""

_LIST, _ANY = re.compile(r"\[(?=\s*+\{)"), re.compile(r"\[")


class FoundList(NamedTuple):
    """A list in a text: `[start, end)` of the bracket and its whole elements, and whether the bracket is closed there.

    `start` is that of the first object where there is no bracket.
    """

    start: int
    end: int
    closed: bool
    bracket: bool
    objects: tuple[str, ...]
    """The texts of its whole objects, usable or not."""


@dataclass
class _Frame:
    """A bracket that is being read."""

    start: int
    kind: str
    elements: list[tuple[int, int]] = field(default_factory=list)
    end: int | None = None
    torn: bool = False
    """Whether an object in it was never closed."""


def find_list(contract: KeyedList[Any], text: str) -> FoundList | None:
    """The list of `text` that names the most input ids; None where nothing in it is usable. Linear in the text."""
    if "{" not in text:
        return None
    usable = _reader(contract)
    return (
        _best(_brackets(text, _LIST), text, usable)
        or _best(_brackets(text, _ANY), text, usable)
        or _best(_loose(text), text, usable, least=2)
    )


def _best(frames: Iterator[_Frame], text: str, usable: Callable[[str], str | None], least: int = 1) -> FoundList | None:
    """The frame with the most input ids, then with the most items; of equal ones the one that stands last."""
    best: tuple[tuple[int, int, int], _Frame, list[str]] | None = None
    for frame in frames:
        objects = [text[start:end] for start, end in frame.elements if text[start] == "{"]
        names = [name for name in map(usable, objects) if name is not None]
        rank = (len({name for name in names if name}), len(names), frame.start)
        if len(names) >= least and (best is None or rank > best[0]):
            best = rank, frame, objects
    if best is None:
        return None
    _, frame, objects = best
    closed = frame.end is not None and not frame.torn
    end = frame.end if closed and frame.end is not None else frame.elements[-1][1]
    return FoundList(frame.start, end, closed, frame.kind == "[", tuple(objects))


def _reader(contract: KeyedList[Any]) -> Callable[[str], str | None]:
    """The input id that an object names, "" for an item with another id, None for what is no item."""
    read, known, key = cast(Any, validator)(contract.item), frozenset(contract.ids), contract.key

    def usable(block: str) -> str | None:
        try:
            name = getattr(read(block), key)
        except ValidationError:
            return None
        return name if name in known else ""

    return usable


def _brackets(text: str, starts: re.Pattern[str]) -> Iterator[_Frame]:
    """Every `[` with the elements that stand right in it, read anew from the next one where one was never closed."""
    at, left = 0, _PATIENCE * len(text) + _SHORT
    while (opening := starts.search(text, at)) and left > 0:
        frames, end = _read(text, opening.start())
        yield from (frame for frame in frames if frame.kind == "[" and frame.elements)
        left -= (end or len(text)) - opening.start()
        at = end if end is not None else opening.start() + 1


def _loose(text: str) -> Iterator[_Frame]:
    """The objects that stand in no bracket, as one list."""
    loose = _Frame(max(0, text.find("{")), "", torn=True)
    at, left = 0, _PATIENCE * len(text) + _SHORT
    while (start := text.find("{", at)) >= 0 and left > 0:
        _, end = _read(text, start)
        if end is not None:
            loose.elements.append((start, end))
        left -= (end or len(text)) - start
        at = end if end is not None else start + 1
    if loose.elements:
        loose.start = loose.elements[0][0]
        yield loose


def _read(text: str, start: int) -> tuple[list[_Frame], int | None]:
    """The bracket at `start` and all within it, and where it ends; None where it is never closed.

    Strings are known from structure, once a bracket is open.
    """
    frames: list[_Frame] = []
    stack: list[_Frame] = []
    open_of = {"[": 0, "{": 0}
    for token in _TOKEN.finditer(text, start):
        mark = token.group()
        if mark == '"':
            break
        if mark in "[{":
            stack.append(_Frame(token.start(), mark))
            open_of[mark] += 1
            if len(stack) <= _DEPTH:
                frames.append(stack[-1])
        elif mark in "]}" and open_of["[" if mark == "]" else "{"]:
            _close(stack, token.end(), "[" if mark == "]" else "{", open_of)
            if not stack:
                return frames, token.end()
    return frames, None


def _close(stack: list[_Frame], end: int, kind: str, open_of: dict[str, int]) -> None:
    """Close the innermost frame of that kind; what was opened in it and never closed makes it torn."""
    frame = stack.pop()
    open_of[frame.kind] -= 1
    torn = frame.kind != kind
    while frame.kind != kind:
        frame = stack.pop()
        open_of[frame.kind] -= 1
    frame.torn, frame.end = torn, end
    if stack and not torn:
        stack[-1].elements.append((frame.start, end))
