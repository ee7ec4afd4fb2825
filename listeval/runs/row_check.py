"""What reports may rely on in a run's rows, checked once when they are read: whoever damaged them, it is one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from listeval.contract.taxonomy import Kind
from listeval.runs.entries import MOST
from listeval.runs.reask import SampleAttempt
from listeval.runs.rows import Row

_KINDS = frozenset(kind.value for kind in Kind)
_OUTCOMES = frozenset(("scored", "unscored", "error"))


def fault(row: Row) -> str:
    """The first field of a row that does not hold what a run writes there; empty where all do."""
    return next((name for name, fits in _FITS.items() if not fits(row[name])), "")  # type: ignore[literal-required]


def _text(value: object) -> bool:
    return isinstance(value, str)


def _text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MOST


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST


def _number_or_none(value: object) -> bool:
    return value is None or _number(value)


def _span(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, list) and len(value) == 2 and all(map(_count, value)) and value[0] <= value[1]


def _attempt(value: object, number: int) -> bool:
    """Whether `value` is the `number`th answer to a sample, as `reask.tried` keeps it."""
    if (
        not isinstance(value, dict)
        or value.keys() != SampleAttempt.__annotations__.keys()
        or value["attempt"] != number
    ):
        return False
    return all(_FITS[name](value[name]) for name in value.keys() - {"attempt"})


_FITS: dict[str, Callable[[Any], bool]] = {
    "key": lambda value: isinstance(value, str) and bool(value),
    "outcome": lambda value: isinstance(value, str) and value in _OUTCOMES,
    "reason": _text_or_none,
    "example": _text,
    "index": _count,
    "seed": lambda value: type(value) is int and abs(value) <= MOST,
    "cluster": _text,
    "kind": lambda value: isinstance(value, str) and value in _KINDS,
    "detail": _text,
    "flags": lambda value: isinstance(value, list) and all(map(_text, value)),
    "span": _span,
    "missing": _count,
    "scores": lambda value: isinstance(value, dict) and all(map(_number_or_none, value.values())),
    "verdict": _text_or_none,
    "target": lambda value: isinstance(value, dict),
    "text": _text,
    "reasoning": _text_or_none,
    "finish_reason": _text,
    "n_tokens": _count,
    "n_prompt_tokens": _count,
    "latency_s": _number,
    "masked": _number_or_none,
    "bare": lambda value: value is None or isinstance(value, bool),
    "attempts": lambda value: (
        value is None or (isinstance(value, list) and all(_attempt(one, n) for n, one in enumerate(value, 1)))
    ),
    "prompt": _text,
    "error": _text_or_none,
}
