"""Training and constraining as a 2x2: what each does alone, both together, and how far they add up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from listeval.comparison.contrasts import ResamplingSettings
from listeval.comparison.ways import TwoByTwo
from listeval.runs.figures.columns import Columns
from listeval.stats.intervals import Bounds, Interval, mean_intervals


class Effects(NamedTuple):
    """Of one figure: differences from the arm that has neither, and the interaction, each with its interval.

    The interaction is the effect of both less the sum of the two: below zero they do the same work twice.
    """

    constrain: Interval
    train: Interval
    both: Interval
    interaction: Interval


class Factorial(NamedTuple):
    """One square, and the effects by figure."""

    square: TwoByTwo
    effects: dict[str, Effects]


def factorial(
    two_by_twos: Sequence[TwoByTwo],
    table: Sequence[Columns],
    names: Sequence[str],
    clusters: Sequence[str],
    *,
    bounds: dict[str, Bounds],
    draws: ResamplingSettings,
    level: float = 0.95,
) -> list[Factorial]:
    """The effects on each named figure in each square, from one set of resamples of whole clusters."""
    columns, limits = {}, {}
    for at, square in enumerate(two_by_twos):
        for name in names:
            neither, constrained, trained, both = (table[place][name] for place in square)
            low, high = bounds.get(name, (0.0, 1.0))
            parts = {
                "constrain": constrained - neither,
                "train": trained - neither,
                "both": both - neither,
                "interaction": both - trained - constrained + neither,
            }
            for part, column in parts.items():
                reach = (high - low) * (2 if part == "interaction" else 1)
                columns[f"{at} {name} {part}"], limits[f"{at} {name} {part}"] = column, (-reach, reach)
    found = mean_intervals(columns, clusters, bounds=limits, seed=draws.seed, resamples=draws.resamples, level=level)
    return [
        Factorial(square, {name: Effects(*(found[f"{at} {name} {p}"] for p in Effects._fields)) for name in names})
        for at, square in enumerate(two_by_twos)
    ]
