"""How a number is written, the same in every report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from listeval.runs.metrics import Summary
    from listeval.runs.reask import Further
    from listeval.stats.intervals import Interval

RATES = ("parse_rate", "bare_rate", "fmc")
RAW = "raw_"
"""Before a figure's name: what the first answers came to, where a run asks again."""


def interval(name: str, value: Interval) -> str:
    """`43.8 % [23.1, 66.8]` for a rate, `0.512 [0.401, 0.623]` for a mean, `n/a` where nothing was measured."""
    if math.isnan(value.value):
        return "n/a"
    scale, digits, unit = (100, 1, " %") if name.removeprefix(RAW) in RATES else (1, 3, "")
    bounds = "" if math.isnan(value.low) else f" [{scale * value.low:.{digits}f}, {scale * value.high:.{digits}f}]"
    return f"{scale * value.value:.{digits}f}{unit}{bounds}"


def figure(value: float | None) -> str:
    """A figure of a task's appendix, which has no interval."""
    return "n/a" if value is None else f"{value:.3f}"


def share(count: int, total: int) -> str:
    """Per cent of a total."""
    return f"{100 * count / total:.1f} %" if total else "n/a"


def counts(summary: Summary) -> str:
    """The three outcomes that stand beside every mean."""
    text = f"{summary.n} samples: {summary.scored} scored, {summary.unscored} unscored, {summary.errors} errors"
    text += f"; {summary.prompt_too_long} prompts too long, refused" if summary.prompt_too_long else ""
    return text + (f"; {again(summary.further)}" if summary.further else "")


def again(further: Further) -> str:
    """What asking again came to, and what it cost."""
    return (
        f"{further.samples} asked again, {further.mended} of them mended, by {further.answers} further answers "
        f"({further.tokens:,} tokens written, {further.prompt_tokens:,} read)"
    )
