"""Arms against their baselines, sample by sample: differences of every figure, and what would speak against an arm.

Everything takes many pairs at once and draws one set of resamples for all, so that a simulation of thousands of
comparisons goes through the very code of `compare`. A pair is (baseline's columns, arm's columns) by a key.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from listeval.runs.figures.columns import PARSE_RATE, RATES, Columns
from listeval.stats.intervals import Bounds, Floats, Interval, cluster_index, mean_intervals, wilson
from listeval.stats.paired import Difference, paired_means, paired_rate

Key = TypeVar("Key", bound=Hashable)
Pairs = Mapping[Key, tuple[Columns, Columns]]


class ResamplingSettings(NamedTuple):
    """Of the bootstrap and of the sign flips."""

    resamples: int = 10_000
    seed: int = 0


class QualityScale(NamedTuple):
    """A quality metric: its name, its lowest and highest value, and (n,) what a random order is worth, if it ranks."""

    metric: str
    bounds: Bounds
    chance: Floats | None = None
    unknown: bool = False
    """Whether it may rank, but what a random order is worth is not known."""

    @property
    def span(self) -> float:
        """What a margin is a share of."""
        return self.bounds[1] - self.bounds[0]


class Guard(NamedTuple):
    """What is known of an arm's quality, apart from how often it parses; every low limit is a guarded one.

    Rare failures are not excluded by few samples that show few of them, and a bootstrap of none has no width. So the
    clusters that show one (a loss beyond the margin) are counted; as many more as Wilson's limit allows may be unseen,
    each worth chance (for `above`, and where nothing is ranked, the lowest value) or what the arm's poor answers are
    worth, if that is less; a low limit is never above what that leaves.
    """

    common: int
    """Samples that parse on both sides."""
    clusters: int
    """Clusters of these."""
    quality: Interval
    """Arm minus baseline, over them."""
    own: Interval
    """The arm's, over all that it parses."""
    above: Interval
    """The same minus chance; NaN where there is no chance to beat."""
    enough: int
    """Common clusters from which a loss of the margin could be excluded if there is none; 0 where that is unknown."""


def differences(
    pairs: Pairs[Key],
    names: Sequence[str],
    clusters: Sequence[str],
    *,
    tested: Sequence[str],
    bounds: Mapping[str, Bounds],
    draws: ResamplingSettings,
    level: float = 0.95,
) -> dict[Key, dict[str, Difference]]:
    """The difference of each named column for each pair; means that are `tested` get a p-value, rates always."""
    means = [name for name in names if name not in RATES]
    found = paired_means(
        {(key, name): (base[name], arm[name]) for key, (base, arm) in pairs.items() for name in means},
        clusters,
        tested=[(key, name) for key in pairs for name in means if name in tested],
        bounds={(key, name): bounds[name] for key in pairs for name in means if name in bounds},
        seed=draws.seed,
        resamples=draws.resamples,
        level=level,
    )
    return {
        key: {
            name: found[key, name] if name in means else paired_rate(base[name], arm[name], clusters, level=level)
            for name in names
        }
        for key, (base, arm) in pairs.items()
    }


def guards(
    pairs: Pairs[Key],
    scale: QualityScale,
    clusters: Sequence[str],
    *,
    margin: float,
    draws: ResamplingSettings,
    level: float,
) -> dict[Key, Guard]:
    """What is known of each arm's quality; `margin` in the metric's units, `level` of all intervals."""
    sides = {key: _PairColumns.of(base, arm, scale, margin) for key, (base, arm) in pairs.items()}
    columns: dict[str, Floats] = {}
    limits: dict[str, Bounds] = {}
    for at, side in enumerate(sides.values()):
        columns |= {f"{at} quality": side.change, f"{at} own": side.own, f"{at} above": side.above}
        limits |= {f"{at} quality": side.reach, f"{at} own": (side.worst, scale.bounds[1])}
        limits[f"{at} above"] = (scale.bounds[0] - scale.bounds[1], scale.span)
    found = mean_intervals(columns, clusters, bounds=limits, seed=draws.seed, resamples=draws.resamples, level=level)
    index = cluster_index(clusters, len(clusters))
    return {
        key: side.guard(
            [found[f"{at} {name}"] for name in ("quality", "own", "above")], index, margin=margin, level=level
        )
        for at, (key, side) in enumerate(sides.items())
    }


class _PairColumns(NamedTuple):
    """One pair: (n,) columns with NaN where a sample has no part, and what a lost sample falls to."""

    change: Floats
    own: Floats
    above: Floats
    before: float
    """The baseline's mean over the common samples."""
    worst: float
    """What an answer is worth that fails to rank."""
    bounds: Bounds

    @classmethod
    def of(cls, base: Columns, arm: Columns, scale: QualityScale, margin: float) -> _PairColumns:
        before = np.where(base[PARSE_RATE] == 1, base[scale.metric], np.nan)
        own = np.where(arm[PARSE_RATE] == 1, arm[scale.metric], np.nan)
        nothing = np.full(len(own), np.nan)
        above = nothing if scale.chance is None else own - scale.chance
        both = ~np.isnan(before + own)
        poor = own[own < scale.bounds[1] - margin]
        luck = scale.bounds[0] if scale.chance is None else float(np.nanmean(scale.chance))
        worst = min(luck, float(poor.mean())) if len(poor) else luck
        mean = float(before[both].mean()) if both.any() else math.nan
        return cls(own - before, own, above, mean, worst, scale.bounds)

    @property
    def reach(self) -> Bounds:
        """How far a difference of the common samples may go: down to `worst`, up to perfect."""
        if math.isnan(self.before):
            return (-1.0, 1.0)
        return (min(0.0, self.worst - self.before), max(0.0, self.bounds[1] - self.before))

    def guard(self, found: Sequence[Interval], index: NDArray[np.intp], *, margin: float, level: float) -> Guard:
        quality, own, above = found
        there, gap = ~np.isnan(self.change), -self.reach[0]
        lost, short = self.change < -margin, self.own < self.bounds[1] - margin
        seen = _falls(self.change, lost), _falls(self.own - own.value, short)
        return Guard(
            common=int(there.sum()),
            clusters=len(np.unique(index[there])),
            quality=_guarded(quality, max(max(0.0, quality.value) + gap, seen[0]), index, there, lost, level),
            own=_guarded(own, max(own.value - self.worst, seen[1]), index, ~np.isnan(self.own), short, level),
            above=_guarded(above, own.value - self.bounds[0], index, ~np.isnan(self.above), lost & False, level),
            enough=_enough(self.change[there], gap, margin, level),
        )


def _falls(change: Floats, events: NDArray[np.bool_]) -> float:
    """How far the samples with an event fall, on average."""
    return -float(change[events].mean()) if events.any() else 0.0


def _guarded(
    interval: Interval,
    fall: float,
    index: NDArray[np.intp],
    there: NDArray[np.bool_],
    events: NDArray[np.bool_],
    level: float,
) -> Interval:
    """`interval` with its low limit no higher than `fall` in unseen clusters leaves it; (n,) samples with a value are
    `there`, `events` are what was seen to fall.
    """
    clusters, seen = len(np.unique(index[there])), len(np.unique(index[events]))
    if clusters < 2:
        return interval._replace(low=math.nan, high=math.nan)
    low = interval.value - (wilson(seen, clusters, level=level).high - seen / clusters) * max(0.0, fall)
    return interval._replace(low=low if math.isnan(interval.low) else min(interval.low, low))


def _enough(change: Floats, gap: float, margin: float, level: float) -> int:
    """Clusters that would exclude a loss of the margin four times in five, were there no loss at all."""
    if len(change) < 2 or margin <= 0:
        return 0
    z = NormalDist().inv_cdf((1 + level) / 2)
    by_spread = ((z + 0.84) * float(change.std(ddof=1)) / margin) ** 2
    # Wilson's limit for none of n is z^2 / (n + z^2).
    by_guard = z * z * max(0.0, gap - margin) / margin
    return math.ceil(max(by_spread, by_guard))
