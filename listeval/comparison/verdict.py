"""The verdict as data: which arm to take, if any, what was found of each, and what a reader must know besides.

Each arm is held against the baseline by the rule of `decision`. Of those that may be recommended the one with the
highest U leads; those that cannot be told apart from it (the paired interval of U holds zero, or lies within the
margin) are tied with it, and the cheapest of the tied is named, by what it changes (`thresholds.order`), then by
generated tokens (unknown ones after all others), then by U. Where none may be recommended the choice is `keep` if an
arm is worse, trades quality away or is not shown to beat chance, else `none`. The sentence is made in
`report.comparison.sentence`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from listeval.comparison.contrasts import Guard
from listeval.comparison.decision import Standing, decide, gather
from listeval.comparison.speed import Speed, speed
from listeval.comparison.thresholds import Thresholds, Way
from listeval.comparison.ways import ways
from listeval.runs.figures.columns import PARSE_RATE, bounds_of
from listeval.stats.intervals import Interval
from listeval.stats.paired import Difference, paired_means

if TYPE_CHECKING:
    from listeval.comparison.result import Comparison, Contrast

Choice = Literal["repair", "change", "constrain", "re-ask", "train", "keep", "none"]


@dataclass(frozen=True)
class Assessment:
    """What an arm is against the baseline."""

    contrast: Contrast
    ways: tuple[Way, ...]
    """All that it changes."""
    way: Way
    """The dearest of them."""
    standing: Standing
    tokens: float | None
    """Generated tokens an answer against the baseline; None where those of either are unknown."""
    speed: Speed

    @property
    def name(self) -> str:
        """The arm's."""
        return self.contrast.arm.name

    @property
    def differences(self) -> Mapping[str, Difference]:
        """Of every figure."""
        return self.contrast.differences

    @property
    def adjusted(self) -> Mapping[str, float]:
        """Holm's p of the headline figures."""
        return self.contrast.adjusted

    @property
    def guard(self) -> Guard | None:
        """What is known of the arm's quality."""
        return self.contrast.guard

    @property
    def unchanged(self) -> bool:
        """Whether it leaves every answer that parsed as it was, by construction."""
        return self.contrast.unchanged

    def shown(self, name: str, alpha: float) -> int:
        """1 where a headline figure is shown higher, -1 where it is lower or its interval says so, else 0."""
        d = self.differences[name].difference
        if d.high < 0:
            return -1
        return 1 if d.low > 0 and self.adjusted[name] <= alpha else 0

    def moved(self, names: Sequence[str]) -> bool:
        """Whether the interval of one of the named figures' differences is clear of zero."""
        return any(self.differences[name].difference.clear for name in names)


@dataclass(frozen=True)
class Recommendation:
    """Which arm to take, or none; `findings` has every arm but the baseline, in order."""

    choice: Choice
    chosen: Assessment | None
    """None for `keep` and `none`."""
    findings: Sequence[Assessment]
    tied: Sequence[Assessment]
    """The arms that may be recommended and cannot be told apart from the best; the chosen one among them."""
    behind: Sequence[Assessment]
    """The others that may be recommended: shown to be worse than the best by more than the margin."""
    rivals: Mapping[str, Interval]
    """By name, for each other arm that may be recommended: U minus the chosen arm's."""
    fighting: Sequence[tuple[str, float]]
    """Arms whose constraint took more than the threshold from a step, and the mean mass that it took."""
    baseline: str
    headline: Sequence[str]
    decisive: str
    """The figure that decides."""
    samples: int
    clusters: int
    decided_by: tuple[int, int]
    """Samples on which every arm has a value of the figure that decides, and their clusters."""
    left_out: int
    margin: float
    """Of the quality metric, in its own units."""
    thresholds: Thresholds

    @property
    def arm(self) -> str:
        """The name of the arm that is recommended; empty where none is."""
        return "" if self.chosen is None else self.chosen.name

    @property
    def blocked(self) -> list[Assessment]:
        """The arms whose U is shown higher, but which something else speaks against; the nearest to better first."""
        order = (Standing.UNKNOWN, Standing.TRADES, Standing.AT_CHANCE)
        found = [f for f in self.findings if f.standing in order]
        return sorted(found, key=lambda f: (order.index(f.standing), -self._useful(f)))

    @property
    def subject(self) -> Assessment:
        """The arm that every report speaks of first: the chosen one, else one that shows why none is.

        That is an arm that something stands in the way of, else one that is worse, else one that has moved at all;
        of several, and where nothing is shown of any, the one with the highest U.
        """
        if self.chosen is not None:
            return self.chosen
        if self.blocked:
            return self.blocked[0]
        worse = [f for f in self.findings if f.standing is Standing.WORSE]
        moved = [f for f in self.findings if f.moved(self.headline)]
        return max(worse or moved or self.findings, key=lambda f: self._useful(f))

    def _useful(self, f: Assessment) -> float:
        value = f.differences[self.decisive].after
        return -math.inf if math.isnan(value) else value

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        t = self.thresholds
        return {
            "choice": self.choice,
            "arm": self.arm,
            "findings": [_finding_json(f) for f in self.findings],
            "tied": [f.name for f in self.tied],
            "behind": [f.name for f in self.behind],
            "rivals": {name: _interval(d) for name, d in self.rivals.items()},
            "fighting_constraints": [{"arm": name, "masked": mass} for name, mass in self.fighting],
            "thresholds": {
                "margin": t.margin,
                "margin_in_units": self.margin,
                "alpha": t.alpha,
                "masked": t.masked,
                "cost_order": list(t.order),
                "guard_level": t.guard_level(len(self.findings)),
            },
        }


def recommend(c: Comparison) -> Recommendation:
    """The verdict of a comparison, by the rules of this module and of `decision`."""
    findings = _findings(c)
    best, tied, behind = _ordered(c, [f for f in findings if f.standing is Standing.BETTER])
    against = (Standing.WORSE, Standing.TRADES, Standing.AT_CHANCE)
    keep: Choice = "keep" if any(f.standing in against for f in findings) else "none"
    masked = [(arm.name, cost.masked) for arm, cost in zip(c.arms, c.costs, strict=True) if cost.masked is not None]
    return Recommendation(
        choice=keep if best is None else best.way,
        chosen=best,
        findings=findings,
        tied=tied,
        behind=behind,
        rivals={} if best is None else _against(c, best, [f for f in (*tied, *behind) if f is not best]),
        fighting=[(name, mass) for name, mass in masked if mass > c.thresholds.masked + 1e-9],
        baseline=c.base.name,
        headline=c.headline,
        decisive=c.decisive,
        samples=len(c.pairing.keys),
        clusters=c.pairing.n_clusters,
        decided_by=_decided_by(c),
        left_out=sum(c.pairing.left_out.values()),
        margin=c.margin,
        thresholds=c.thresholds,
    )


def _decided_by(c: Comparison) -> tuple[int, int]:
    there = np.logical_and.reduce([~np.isnan(own[c.decisive]) for own in c.columns])
    clusters = c.pairing.clusters[there]
    return len(clusters), len(np.unique(clusters))


def _findings(c: Comparison) -> list[Assessment]:
    common = c.headline[2] if len(c.headline) > 2 else None
    evidence = gather(
        [(found.differences[c.decisive], found.adjusted[c.decisive]) for found in c.contrasts],
        [None if common is None else found.differences[common] for found in c.contrasts],
        [found.guard for found in c.contrasts],
        [found.unchanged for found in c.contrasts],
        c.scale,
    )
    standings = decide(evidence, c.thresholds, c.margin)
    return [_finding(c, found, standing) for found, standing in zip(c.contrasts, standings, strict=True)]


def _finding(c: Comparison, contrast: Contrast, standing: Standing) -> Assessment:
    found = ways(contrast.arm, c.base)
    return Assessment(
        contrast=contrast,
        ways=found,
        way=max(found, key=c.thresholds.order.index),
        standing=standing,
        tokens=_extra_tokens(contrast, c),
        speed=speed(contrast.arm, c.arms),
    )


def _extra_tokens(contrast: Contrast, c: Comparison) -> float | None:
    own, before = contrast.cost.tokens, c.base_cost.tokens
    if own is None or before is None:
        # A repair of the baseline's run asked for nothing more, whatever that took.
        return 0.0 if contrast.arm.run.path == c.base.run.path else None
    return own - before


def _ordered(
    c: Comparison, better: Sequence[Assessment]
) -> tuple[Assessment | None, list[Assessment], list[Assessment]]:
    """The cheapest arm that cannot be told apart from the best, all such arms cheapest first, and the rest."""
    if not better:
        return None, [], []

    def worth(f: Assessment) -> tuple[float, float]:
        return f.differences[c.decisive].after, f.differences[PARSE_RATE].after

    def dear(f: Assessment) -> tuple[tuple[int, ...], float, float]:
        tokens = f.contrast.cost.tokens
        return c.thresholds.rank(f.ways), math.inf if tokens is None else tokens, -worth(f)[0]

    lead = max(better, key=worth)
    apart = _behind(c, lead, [f for f in better if f is not lead])
    tied = sorted((f for f in better if f.name not in apart), key=dear)
    return tied[0], tied, sorted((f for f in better if f.name in apart), key=worth, reverse=True)


def _behind(c: Comparison, lead: Assessment, others: Sequence[Assessment]) -> set[str]:
    """Those of `others`, by name, whose U is shown below the lead's, and may be so by more than the margin."""
    return {name for name, d in _against(c, lead, others).items() if d.high < 0 and d.low < -c.margin}


def _against(c: Comparison, one: Assessment, others: Sequence[Assessment]) -> dict[str, Interval]:
    """U of each of `others` minus that of `one`, simultaneous over the arms."""
    if not others:
        return {}
    useful = {arm.name: columns[c.decisive] for arm, columns in zip(c.arms, c.columns, strict=True)}
    found = paired_means(
        {f.name: (useful[one.name], useful[f.name]) for f in others},
        c.pairing.clusters,
        bounds={f.name: bounds_of(c.decisive, c.bounds) for f in others},
        seed=c.seed,
        resamples=c.resamples,
        level=c.thresholds.guard_level(len(c.contrasts)),
    )
    return {name: d.difference for name, d in found.items()}


def _finding_json(f: Assessment) -> dict[str, Any]:
    guard = f.guard
    return {
        "arm": f.name,
        "way": f.way,
        "ways": list(f.ways),
        "standing": f.standing.value,
        "unchanged": f.unchanged,
        "extra_tokens": f.tokens,
        "speed": {"ratio": f.speed.ratio, "why": f.speed.why},
        "quality": None
        if guard is None
        else {
            "common": guard.common,
            "clusters": guard.clusters,
            "difference": _interval(guard.quality),
            "own": _interval(guard.own),
            "above_chance": _interval(guard.above),
            "clusters_for_the_margin": guard.enough,
        },
    }


def _interval(found: Interval) -> dict[str, float | None]:
    return {name: value if value == value else None for name, value in found._asdict().items()}
