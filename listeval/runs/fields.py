"""What numbers and names in a run's files may hold: what writes them keeps to it, and what reads them holds them to it.

A file from elsewhere cannot bring others in, and a run of ours none that it could not read again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta
from pydantic import AfterValidator

from listeval.task import MOST as MOST

Name = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=0, le=MOST)]
Seed = Annotated[int, Meta(ge=-MOST, le=MOST)]
Number = Annotated[float, Meta(ge=-MOST, le=MOST)]
Span = Annotated[Sequence[Count], Meta(min_length=2, max_length=2)]
LONGEST_S = 10**9
"""Seconds that a process works on a run: 31 years."""
_BEYOND = "{} is beyond ±2^53, the largest number of a run"


def _iso_moment(value: str) -> str:
    try:
        year = datetime.fromisoformat(value).year
    except ValueError:
        year = 0
    if not 1970 <= year < 3000:
        raise ValueError(f"'{value[:40]}' is no moment in ISO 8601")
    return value


Moment = Annotated[str, AfterValidator(_iso_moment)]
"""When something was, as ISO 8601 has it."""


def recorded(value: float) -> float | None:
    """A score or figure as a run's files have it, None for what is undefined.

    Raises ValueError beyond ±`MOST`, and TypeError for what is no number.
    """
    try:
        finite = math.isfinite(value)
    except OverflowError:
        raise ValueError(_BEYOND.format("an integer of more than 300 digits")) from None
    if not finite:
        return None
    if abs(value) > MOST:
        raise ValueError(_BEYOND.format(f"{value:g}"))
    return float(value)


def measured(value: float | None) -> float | None:
    """What an engine measured, to six places; None for what no run's file can hold, and where nothing was measured."""
    if value is None or not math.isfinite(value) or abs(value) > MOST:
        return None
    return round(value, 6)


def spelled(number: float) -> float | str:
    """A number that JSON has; an infinity or NaN as the text that pydantic reads as such."""
    return number if math.isfinite(number) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(number, "NaN")


def each_number(value: Any, change: Callable[[float], Any]) -> Any:
    """A JSON value with each of its floats changed."""
    if isinstance(value, float):
        return change(value)
    if isinstance(value, dict):
        return {name: each_number(item, change) for name, item in value.items()}
    return [each_number(item, change) for item in value] if isinstance(value, list) else value
