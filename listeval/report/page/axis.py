"""Axes that fit what stands on them: round ticks, zero kept where bars begin there, limits of the figure kept."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

_TICKS = 4
"""Steps of an axis, about."""
_POINTS = 7
"""Values that an axis may have as its ticks."""
_LEAST = 1e-9
_NEAR = 0.25
"""The share of an axis by which it is made longer to reach the highest possible value."""


class Tick(NamedTuple):
    """A place on the axis from 0 to 100, and the words there."""

    at: float
    text: str


class Axis(NamedTuple):
    """From `low` to `high`, in the figure's own units."""

    low: float
    high: float
    ticks: list[Tick]

    def value(self, at: float) -> float:
        """What stands at a place from 0 to 100."""
        return self.low + (self.high - self.low) * at / 100

    def at(self, value: float) -> float:
        """Where `value` stands, 0 to 100; a value beyond the ends stands at the end, NaN stays NaN."""
        if math.isnan(value):
            return value
        return 100 * (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)


def fitted(
    values: Iterable[float], *, scale: float = 1.0, unit: str = "", sign: bool = False, most: float = math.inf
) -> Axis:
    """An axis from zero, or from below it, to just beyond `values`; NaN and infinity are passed over.

    Its words are values times `scale`, the last one with `unit`; `sign` writes a plus before what is above zero. Values
    that come near the highest possible one, `most`, are drawn up to it.
    """
    known = [0.0, *(value for value in values if math.isfinite(value))]
    low, high = min(known), max(known)
    return _between(low, _up_to(low, high, most), scale, unit, sign)


def around(values: Iterable[float], *, scale: float = 1.0, unit: str = "", most: float = math.inf) -> Axis:
    """An axis over just the range of `values`, zero in it or not: for lines, which begin nowhere.

    Values that are all one stand within the axis, not beyond the highest possible value `most`.
    """
    known = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(known), max(known)
    if high - low < _LEAST and high + 0.1 > most:
        low, high = most - max(0.1, 1.5 * (most - high)), most
    return _between(low, _up_to(low, high, most), scale, unit, sign=False)


def _up_to(low: float, high: float, most: float) -> float:
    """`most`, where what is missing to it is little of the axis; else `high`."""
    return most if high < most and most - high <= _NEAR * (high - low) else high


def at_points(values: Iterable[float]) -> Axis:
    """An axis whose ticks are the `values` themselves, where they are few; else as `around`."""
    known = sorted({value for value in values if math.isfinite(value)})
    if not 2 <= len(known) <= _POINTS:
        return around(known)
    low, high = known[0], known[-1]
    return Axis(low, high, [Tick(100 * (value - low) / (high - low), f"{value:g}") for value in known])


def _between(low: float, high: float, scale: float, unit: str, sign: bool) -> Axis:
    if high - low < _LEAST:
        high = low + (abs(low) * 0.1 if abs(low) > _LEAST else 1.0 / scale)
    step = _step((high - low) * scale / _TICKS) / scale
    first, last = math.floor(low / step + _LEAST), math.ceil(high / step - _LEAST)
    low, high = first * step, last * step
    digits = max(0, -math.floor(math.log10(step * scale) + _LEAST), _needs(step * scale))
    ticks = []
    for number in range(first, last + 1):
        text = f"{number * step * scale:{'+' if sign and number else ''}.{digits}f}"
        ticks.append(Tick(100 * (number - first) / (last - first), text))
    ticks[-1] = ticks[-1]._replace(text=ticks[-1].text + unit)
    return Axis(low, high, ticks)


def _step(rough: float) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that is not below `rough`."""
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(part * power for part in (1, 2, 2.5, 5, 10) if part * power >= rough * (1 - _LEAST))


def _needs(step: float) -> int:
    """Decimals that write `step` without loss, for a step such as 0.25 or 2.5."""
    return next((digits for digits in range(12) if math.isclose(round(step, digits), step, rel_tol=1e-9)), 12)
