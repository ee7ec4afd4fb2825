"""How a figure is written, the same in every report: rates in per cent, tokens with one decimal, means with three."""

from __future__ import annotations

import math

from listeval.runs.figures.columns import RATES, RAW, TOKENS
from listeval.stats.intervals import Interval


def is_rate(name: str) -> bool:
    """Whether a figure is a share of answers, over all or over the first ones alone."""
    return name.removeprefix(RAW) in RATES


def interval(name: str, value: Interval) -> str:
    """`43.8 % [23.1, 66.8]` for a rate, `0.512 [0.401, 0.623]` for a mean, `n/a` where nothing was measured."""
    if math.isnan(value.value):
        return "n/a"
    return f"{plain(name, value.value)}{_limits(name, value, '')}"


def plain(name: str, value: float) -> str:
    """The figure alone: `43.8 %`, `0.512`, `91.3` tokens."""
    if math.isnan(value):
        return "n/a"
    return f"{value * _scale(name):.{_digits(name)}f}" + (" %" if is_rate(name) else "")


def change(name: str, value: Interval) -> str:
    """A difference with its sign: `+12.5 [3.1, 21.9]` (points for a rate), `-0.013 [-0.050, +0.021]`."""
    if math.isnan(value.value):
        return "n/a"
    return f"{value.value * _scale(name):+.{_digits(name)}f}{_limits(name, value, '+')}"


def points(name: str) -> str:
    """The unit after a change, which is in points for a rate."""
    return " points" if is_rate(name) else ""


def probability(p: float) -> str:
    """A p-value: `<0.001`, `0.031`, and nothing where none was tested."""
    if math.isnan(p):
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def effect(name: str, value: Interval) -> str:
    """`OR 3.2 [1.1, 9.4]` for a rate, `d 0.41` for a mean."""
    if math.isnan(value.value):
        return ""
    if not is_rate(name):
        return f"d {value.value:+.2f}"
    return f"OR {_ratio(value.value)} [{_ratio(value.low)}, {_ratio(value.high)}]"


def appendix(value: Interval | None) -> str:
    """A figure over a whole run, as a mean whatever it is called; most have no interval."""
    return "n/a" if value is None else interval("", value)


def share(count: int, total: int) -> str:
    """Per cent of a total."""
    return f"{100 * count / total:.1f} %" if total else "n/a"


def _ratio(ratio: float) -> str:
    return "∞" if math.isinf(ratio) else f"{ratio:.3g}"


def _limits(name: str, value: Interval, sign: str) -> str:
    if math.isnan(value.low):
        return ""
    low, high = (f"{limit * _scale(name):{sign}.{_digits(name)}f}" for limit in (value.low, value.high))
    return f" [{low}, {high}]"


def _scale(name: str) -> float:
    return 100.0 if is_rate(name) else 1.0


def _digits(name: str) -> int:
    return 1 if is_rate(name) or name == TOKENS else 3
