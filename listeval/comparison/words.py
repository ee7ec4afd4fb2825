"""How figures and differences are written, the same in the verdict and in every table."""

from __future__ import annotations

import math

from listeval.comparison.columns import RATES, TOKENS
from listeval.stats.intervals import Interval


def value(name: str, figure: Interval) -> str:
    """`43.8 % [23.1, 66.8]`, `0.512 [0.401, 0.623]`, `n/a`."""
    if math.isnan(figure.value):
        return "n/a"
    return f"{plain(name, figure.value)}{_limits(name, figure, '')}"


def plain(name: str, figure: float) -> str:
    """The figure alone: `43.8 %`, `0.512`, `91.3` tokens."""
    if math.isnan(figure):
        return "n/a"
    return f"{figure * _scale(name):.{_digits(name)}f}" + (" %" if name in RATES else "")


def change(name: str, figure: Interval) -> str:
    """A difference with its sign: `+12.5 [3.1, 21.9]` (points for a rate), `-0.013 [-0.050, +0.021]`."""
    if math.isnan(figure.value):
        return "n/a"
    return f"{figure.value * _scale(name):+.{_digits(name)}f}{_limits(name, figure, '+')}"


def chance(p: float) -> str:
    """A p-value: `<0.001`, `0.031`, and nothing where none was tested."""
    if math.isnan(p):
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def effect(name: str, figure: Interval) -> str:
    """`OR 3.2 [1.1, 9.4]` for a rate, `d 0.41` for a mean."""
    if math.isnan(figure.value):
        return ""
    if name not in RATES:
        return f"d {figure.value:+.2f}"
    return f"OR {_ratio(figure.value)} [{_ratio(figure.low)}, {_ratio(figure.high)}]"


def title(name: str) -> str:
    """A figure in words: `useful ndcg@1`, `common ndcg@1`, `parse rate`."""
    return name.replace("_", " ") if name in RATES or name.startswith(("useful_", "common_")) else name


def _ratio(ratio: float) -> str:
    return "∞" if math.isinf(ratio) else f"{ratio:.3g}"


def _limits(name: str, figure: Interval, sign: str) -> str:
    if math.isnan(figure.low):
        return ""
    low, high = (f"{limit * _scale(name):{sign}.{_digits(name)}f}" for limit in (figure.low, figure.high))
    return f" [{low}, {high}]"


def _scale(name: str) -> float:
    return 100.0 if name in RATES else 1.0


def _digits(name: str) -> int:
    return 1 if name in RATES or name == TOKENS else 3
