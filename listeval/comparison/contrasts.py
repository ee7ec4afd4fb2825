"""Arms against their baselines, sample by sample: differences of every figure, and what would speak against an arm.

A difference has one interval, whoever asks for it: Tango's of a rate; of a mean the bootstrap's; of the quality metric,
where both sides parse, a guarded one (`Guard`), whether it is over what two arms parse or over what all do.

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

from listeval.runs.figures.columns import COMMON, PARSE_RATE, RATES, Columns
from listeval.stats.intervals import Bounds, Clusters, Floats, Interval, cluster_index, mean_intervals, wilson
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


class Guarding(NamedTuple):
    """Of which metric an interval is guarded, and from which loss on, in its units, an answer has fallen."""

    scale: QualityScale
    margin: float


def differences(
    pairs: Pairs[Key],
    names: Sequence[str],
    clusters: Clusters,
    *,
    tested: Sequence[str],
    bounds: Mapping[str, Bounds],
    draws: ResamplingSettings,
    guarding: Guarding | None = None,
    level: float = 0.95,
) -> dict[Key, dict[str, Difference]]:
    """The difference of each named column for each pair; means that are `tested` get a p-value, rates always."""
    means = [name for name in names if name not in RATES]
    changes = _common_changes(pairs, means, guarding)
    found = paired_means(
        {(key, name): (base[name], arm[name]) for key, (base, arm) in pairs.items() for name in means},
        clusters,
        tested=[(key, name) for key in pairs for name in means if name in tested],
        bounds={(key, name): bounds[name] for key in pairs for name in means if name in bounds},
        reach={place: change.reach for place, change in changes.items()},
        seed=draws.seed,
        resamples=draws.resamples,
        level=level,
    )
    index = cluster_index(clusters, len(clusters))
    for place, change in changes.items():
        assert guarding is not None, "changes are those of the guarded metric"
        interval = change.guarded(found[place].difference, index, margin=guarding.margin, level=level)
        found[place] = found[place]._replace(difference=interval)
    return {
        key: {
            name: found[key, name] if name in means else paired_rate(base[name], arm[name], clusters, level=level)
            for name in names
        }
        for key, (base, arm) in pairs.items()
    }


def _common_changes(
    pairs: Pairs[Key], names: Sequence[str], guarding: Guarding | None
) -> dict[tuple[Key, str], _Change]:
    """The guarded metric's change over what parses in every arm, for each pair; none where it is not named."""
    if guarding is None or (name := COMMON + guarding.scale.metric) not in names:
        return {}
    scale, margin = guarding
    return {
        (key, name): _Change.of(base[name], arm[name], _worst(_parsed(arm, scale), scale, margin), scale)
        for key, (base, arm) in pairs.items()
    }


def guards(
    pairs: Pairs[Key],
    scale: QualityScale,
    clusters: Clusters,
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
        columns |= {f"{at} quality": side.change.values, f"{at} own": side.own, f"{at} above": side.above}
        limits |= {f"{at} quality": side.change.reach, f"{at} own": (side.change.worst, scale.bounds[1])}
        limits[f"{at} above"] = (scale.bounds[0] - scale.bounds[1], scale.span)
    found = mean_intervals(columns, clusters, bounds=limits, seed=draws.seed, resamples=draws.resamples, level=level)
    index = cluster_index(clusters, len(clusters))
    return {
        key: side.guard(
            [found[f"{at} {name}"] for name in ("quality", "own", "above")], index, margin=margin, level=level
        )
        for at, (key, side) in enumerate(sides.items())
    }


def _parsed(side: Columns, scale: QualityScale) -> Floats:
    """(n,) the quality of the answers that parse, NaN of the others."""
    return np.where(side[PARSE_RATE] == 1, side[scale.metric], np.nan)


def _worst(own: Floats, scale: QualityScale, margin: float) -> float:
    """What an answer is worth that fails to rank: chance, or what the arm's poor answers are worth, if that is less."""
    poor = own[own < scale.bounds[1] - margin]
    luck = scale.bounds[0] if scale.chance is None else float(np.nanmean(scale.chance))
    return min(luck, float(poor.mean())) if len(poor) else luck


class _Change(NamedTuple):
    """The quality of an arm minus the baseline's where both have one, and what a lost sample falls to."""

    values: Floats
    """(n,), NaN where a sample has no part."""
    before: float
    """The baseline's mean over these samples."""
    worst: float
    span: float

    @classmethod
    def of(cls, before: Floats, own: Floats, worst: float, scale: QualityScale) -> _Change:
        both = ~np.isnan(before + own)
        return cls(own - before, float(before[both].mean()) if both.any() else math.nan, worst, scale.span)

    @property
    def reach(self) -> Bounds:
        """How far a difference may go: down to `worst` from where the baseline was seen, and up over the whole range,
        since an unseen baseline may be poor.
        """
        if math.isnan(self.before):
            return (-self.span, self.span)
        return (min(0.0, self.worst - self.before), self.span)

    def guarded(self, found: Interval, index: NDArray[np.intp], *, margin: float, level: float) -> Interval:
        """`found`, the interval of the values, with its low limit guarded."""
        lost = self.values < -margin
        fall = max(max(0.0, found.value) - self.reach[0], _falls(self.values, lost))
        return _guarded(found, fall, index, ~np.isnan(self.values), lost, level)


class _PairColumns(NamedTuple):
    """One pair: (n,) columns with NaN where a sample has no part."""

    change: _Change
    own: Floats
    above: Floats
    bounds: Bounds

    @classmethod
    def of(cls, base: Columns, arm: Columns, scale: QualityScale, margin: float) -> _PairColumns:
        own = _parsed(arm, scale)
        above = np.full(len(own), np.nan) if scale.chance is None else own - scale.chance
        change = _Change.of(_parsed(base, scale), own, _worst(own, scale, margin), scale)
        return cls(change, own, above, scale.bounds)

    def guard(self, found: Sequence[Interval], index: NDArray[np.intp], *, margin: float, level: float) -> Guard:
        quality, own, above = found
        there, gap = ~np.isnan(self.change.values), -self.change.reach[0]
        short = self.own < self.bounds[1] - margin
        poor = max(own.value - self.change.worst, _falls(self.own - own.value, short))
        return Guard(
            common=int(there.sum()),
            clusters=_distinct(index[there]),
            quality=self.change.guarded(quality, index, margin=margin, level=level),
            own=_guarded(own, poor, index, ~np.isnan(self.own), short, level),
            above=_guarded(above, own.value - self.bounds[0], index, ~np.isnan(self.above), short & False, level),
            enough=_enough(self.change.values[there], gap, margin, level),
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
    clusters, seen = _distinct(index[there]), _distinct(index[events])
    if clusters < 2:
        return interval._replace(low=math.nan, high=math.nan)
    low = interval.value - (wilson(seen, clusters, level=level).high - seen / clusters) * max(0.0, fall)
    return interval._replace(low=low if math.isnan(interval.low) else min(interval.low, low))


def _distinct(index: NDArray[np.intp]) -> int:
    """How many clusters there are among these; sorting them, as `numpy.unique` does, takes ten times as long."""
    return int(np.count_nonzero(np.bincount(index)))


def _enough(change: Floats, gap: float, margin: float, level: float) -> int:
    """Clusters that would exclude a loss of the margin four times in five, were there no loss at all."""
    if len(change) < 2 or margin <= 0:
        return 0
    z = NormalDist().inv_cdf((1 + level) / 2)
    by_spread = ((z + 0.84) * float(change.std(ddof=1)) / margin) ** 2
    # Wilson's limit for none of n is z^2 / (n + z^2).
    by_guard = z * z * max(0.0, gap - margin) / margin
    return math.ceil(max(by_spread, by_guard))
