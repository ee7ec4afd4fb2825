"""Training and constraining as a 2x2: what each does alone, both together, and how far they add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from listeval.comparison.contrasts import Guarding, ResamplingSettings, differences
from listeval.comparison.ways import TwoByTwo
from listeval.runs.figures.columns import Columns, bounds_of
from listeval.stats.intervals import Bounds, Clusters, Interval, mean_intervals

_ALONE = ("constrain", "train", "both")
"""The effects that are one arm's difference from the arm that has neither."""


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
    clusters: Clusters,
    *,
    bounds: Mapping[str, Bounds],
    draws: ResamplingSettings,
    guarding: Guarding | None = None,
    level: float = 0.95,
) -> list[Factorial]:
    """The effects on each named figure in each square; those of one arm are `differences` as everywhere."""
    pairs = {
        (at, part): (table[square.neither], table[place])
        for at, square in enumerate(two_by_twos)
        for part, place in zip(_ALONE, (square.constrained, square.trained, square.both), strict=True)
    }
    alone = differences(pairs, names, clusters, tested=(), bounds=bounds, draws=draws, guarding=guarding, level=level)
    columns, limits = {}, {}
    for at, square in enumerate(two_by_twos):
        for name in names:
            neither, constrained, trained, both = (table[place][name] for place in square)
            low, high = bounds_of(name, bounds)
            columns[f"{at} {name}"] = both - trained - constrained + neither
            limits[f"{at} {name}"] = (2 * (low - high), 2 * (high - low))
    found = mean_intervals(columns, clusters, bounds=limits, seed=draws.seed, resamples=draws.resamples, level=level)
    return [
        Factorial(
            square,
            {
                name: Effects(interaction=found[f"{at} {name}"], **{p: alone[at, p][name].difference for p in _ALONE})
                for name in names
            },
        )
        for at, square in enumerate(two_by_twos)
    ]
