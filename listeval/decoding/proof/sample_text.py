"""A short text that a regular expression or a format of JSON Schema admits, and one that it forbids, to probe with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_FORMATS = {
    "date": "2026-01-31", "time": "10:20:30Z", "date-time": "2026-01-31T10:20:30Z", "email": "a@b.org",
    "uuid": "123e4567-e89b-42d3-a456-426614174000", "uri": "https://a.org/b", "ipv4": "10.0.0.1",
    "ipv6": "2001:db8::1", "hostname": "a.org", "duration": "P3D",
}  # fmt: skip
_SIGNS = {op.CATEGORY_DIGIT: r"\d", op.CATEGORY_SPACE: r"\s", op.CATEGORY_WORD: r"\w"}
_LETTERS = [*map(chr, range(0x61, 0x7B)), *map(chr, range(0x30, 0x3A)), *map(chr, range(0x20, 0x7F))]
_STRANGERS = ("zq-none", "!", "~ ~", "", "Z9", "0")


def of_format(name: str) -> str | None:
    """A text of the format, None for an unknown one."""
    return _FORMATS.get(name)


def matching(pattern: str) -> str | None:
    """A text that `pattern` finds something in, None where none is found."""
    try:
        text = _write(parser.parse(pattern))
        return text if re.search(pattern, text) else None
    except (re.error, StopIteration, ValueError, RecursionError, OverflowError):
        return None


def not_matching(pattern: str) -> list[str]:
    """Texts without a match, perhaps none."""
    try:
        return [text for text in _STRANGERS if not re.search(pattern, text)]
    except re.error:
        return []


def _write(tree: Iterable[Any]) -> str:
    return "".join(_piece(kind, value) for kind, value in tree)


def _piece(kind: Any, value: Any) -> str:
    """The simplest text of one part. Raises ValueError for one that says nothing of the text at its own place."""
    if kind is op.LITERAL:
        return chr(value)
    if kind is op.ANY:
        return "a"
    if kind is op.NOT_LITERAL:
        return str(next(letter for letter in _LETTERS if ord(letter) != value))
    if kind is op.IN:
        return str(next(letter for letter in _LETTERS + _named(value) if _within(letter, value)))
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        least, most, inner = value
        return _write(inner) * int(min(max(1, least), most))
    if kind is op.SUBPATTERN:
        return _write(value[-1])
    if kind is op.BRANCH:
        return _write(value[1][0])
    if kind is op.AT:
        return ""
    raise ValueError(str(kind))


def _named(items: list[Any]) -> list[str]:
    """Characters that a class names itself, beyond the usual ones."""
    return [chr(value if kind is op.LITERAL else value[0]) for kind, value in items if kind in (op.LITERAL, op.RANGE)]


def _within(letter: str, items: list[Any]) -> bool:
    inside = any(
        (kind is op.LITERAL and ord(letter) == value)
        or (kind is op.RANGE and value[0] <= ord(letter) <= value[1])
        or (kind is op.CATEGORY and value in _SIGNS and re.match(_SIGNS[value], letter) is not None)
        for kind, value in items
    )
    return inside != any(kind is op.NEGATE for kind, _ in items)
