"""The verdict as data: which arm to take, if any, what was found of each, and what a reader must know besides.

Each arm is held against the baseline by the rule of `decision`. Of those that may be recommended the one with the
highest U leads; those that cannot be told apart from it (the paired interval of U holds zero, or lies within the
margin) are tied with it, and the cheapest of the tied is named, by what it changes (`thresholds.order`), then by
generated tokens, then by U. Where none may be recommended the choice is `keep` if an arm is shown to be worse, to trade
quality away or not to beat chance, else `none`. The sentence is made in `report.comparison.sentence`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from listeval.comparison.contrasts import Guard
from listeval.comparison.decision import Standing, decide, gather
from listeval.comparison.speed import Speed, speed
from listeval.comparison.thresholds import Thresholds, Way
from listeval.comparison.ways import unchanged, ways
from listeval.stats.intervals import Interval
from listeval.stats.paired import Difference, paired_means

if TYPE_CHECKING:
    from listeval.comparison.analysis import Comparison

Choice = Literal["repair", "change", "constrain", "re-ask", "train", "keep", "none"]


@dataclass(frozen=True)
class Finding:
    """One arm against the baseline."""

    at: int
    name: str
    ways: tuple[Way, ...]
    """All that it changes."""
    way: Way
    """The dearest of them."""
    standing: Standing
    differences: dict[str, Difference]
    """Of the headline figures."""
    adjusted: Mapping[str, float]
    """Holm's p of these."""
    guard: Guard | None
    """None where the task has no quality metric."""
    unchanged: bool
    """Whether it leaves every answer that parsed as it was, by construction."""
    tokens: float
    """Generated tokens an answer against the baseline."""
    speed: Speed

    def shown(self, name: str, alpha: float) -> int:
        """1 where a headline figure is shown higher, -1 where it is lower or its interval says so, else 0."""
        d = self.differences[name].difference
        if d.high < 0:
            return -1
        return 1 if d.low > 0 and self.adjusted[name] <= alpha else 0


@dataclass(frozen=True)
class Verdict:
    """`arm` is empty and `at` None for `keep` and `none`; `findings` has every arm but the baseline, in order."""

    choice: Choice
    arm: str
    at: int | None
    findings: Sequence[Finding]
    tied: Sequence[int]
    """Places of the arms that may be recommended and cannot be told apart from the best; the chosen one among them."""
    behind: Sequence[int]
    """Places of the others that may be recommended: shown to be worse than the best by more than the margin."""
    rivals: Mapping[int, Interval]
    """For each other arm that may be recommended: U minus the chosen arm's."""
    fighting: Sequence[tuple[str, float]]
    """Arms whose constraint took more than the threshold from a step, and the mean mass that it took."""
    baseline: str
    headline: Sequence[str]
    samples: int
    clusters: int
    left_out: int
    margin: float
    """Of the quality metric, in its own units."""
    thresholds: Thresholds

    @property
    def chosen(self) -> Finding | None:
        """The finding of the arm that is recommended."""
        return None if self.at is None else self.findings[self.at - 1]

    @property
    def decisive(self) -> str:
        """The figure that decides."""
        return self.headline[min(1, len(self.headline) - 1)]

    @property
    def sentence(self) -> str:
        """The verdict in one sentence, as every report says it."""
        from listeval.report.comparison.sentence import sentence

        return sentence(self)

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        t = self.thresholds
        return {
            "choice": self.choice,
            "arm": self.arm,
            "sentence": self.sentence,
            "findings": [_finding_json(f) for f in self.findings],
            "tied": [self.findings[at - 1].name for at in self.tied],
            "behind": [self.findings[at - 1].name for at in self.behind],
            "rivals": {self.findings[at - 1].name: _interval(d) for at, d in self.rivals.items()},
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


def judge(comparison: Comparison) -> Verdict:
    """The verdict of a comparison, by the rules of this module and of `decision`."""
    c = comparison
    findings = _findings(c)
    best, tied, behind = _ordered(c, [f for f in findings if f.standing is Standing.BETTER])
    against = (Standing.WORSE, Standing.TRADES, Standing.AT_CHANCE)
    keep: Choice = "keep" if any(f.standing in against for f in findings) else "none"
    masked = [(arm.name, cost.masked) for arm, cost in zip(c.arms, c.costs, strict=True) if cost.masked is not None]
    return Verdict(
        choice=keep if best is None else best.way,
        arm="" if best is None else best.name,
        at=None if best is None else best.at,
        findings=findings,
        tied=[f.at for f in tied],
        behind=[f.at for f in behind],
        rivals={} if best is None else _against(c, best.at, [f.at for f in (*tied, *behind) if f is not best]),
        fighting=[(name, mass) for name, mass in masked if mass > c.thresholds.masked + 1e-9],
        baseline=c.base.name,
        headline=c.headline,
        samples=len(c.pairing.keys),
        clusters=c.pairing.n_clusters,
        left_out=sum(c.pairing.left_out.values()),
        margin=c.margin,
        thresholds=c.thresholds,
    )


def _findings(c: Comparison) -> list[Finding]:
    others = range(1, len(c.arms))
    same = [unchanged(c.arms[at], c.base, c.pairing.rows[at], c.pairing.rows[0]) for at in others]
    decisive = c.headline[min(1, len(c.headline) - 1)]
    common = c.headline[2] if len(c.headline) > 2 else None
    evidence = gather(
        [(d[decisive], p[decisive]) for d, p in zip(c.differences, c.adjusted, strict=True)],
        [None if common is None else d[common] for d in c.differences],
        c.guards,
        same,
        c.scale,
    )
    standings = decide(evidence, c.thresholds, c.margin)
    return [_finding(c, at, standings[at - 1], same[at - 1]) for at in others]


def _finding(c: Comparison, at: int, standing: Standing, same: bool) -> Finding:
    found = ways(c.arms[at], c.base)
    return Finding(
        at=at,
        name=c.arms[at].name,
        ways=found,
        way=max(found, key=c.thresholds.order.index),
        standing=standing,
        differences={name: c.differences[at - 1][name] for name in c.headline},
        adjusted=c.adjusted[at - 1],
        guard=c.guards[at - 1],
        unchanged=same,
        tokens=c.costs[at].tokens - c.costs[0].tokens,
        speed=speed(c.arms, at),
    )


def _ordered(c: Comparison, better: Sequence[Finding]) -> tuple[Finding | None, list[Finding], list[Finding]]:
    """The cheapest arm that cannot be told apart from the best, all such arms cheapest first, and the rest."""
    if not better:
        return None, [], []
    decisive = c.headline[min(1, len(c.headline) - 1)]

    def worth(f: Finding) -> tuple[float, float]:
        return f.differences[decisive].after, f.differences["parse_rate"].after

    def dear(f: Finding) -> tuple[tuple[int, ...], float, float]:
        return c.thresholds.rank(f.ways), f.tokens, -worth(f)[0]

    lead = max(better, key=worth)
    apart = _behind(c, lead.at, [f.at for f in better if f is not lead])
    tied = sorted((f for f in better if f.at not in apart), key=dear)
    return tied[0], tied, sorted((f for f in better if f.at in apart), key=worth, reverse=True)


def _behind(c: Comparison, lead: int, others: Sequence[int]) -> set[int]:
    """Those of `others` whose U is shown below the lead's, and may be so by more than the margin."""
    return {at for at, d in _against(c, lead, others).items() if d.high < 0 and d.low < -c.margin}


def _against(c: Comparison, one: int, others: Sequence[int]) -> dict[int, Interval]:
    """U of each of `others` minus that of the arm at `one`, simultaneous over the arms."""
    if not others:
        return {}
    name = c.headline[min(1, len(c.headline) - 1)]
    found = paired_means(
        {at: (c.columns[one][name], c.columns[at][name]) for at in others},
        c.pairing.clusters,
        bounds={at: c.bounds.get(name, (0.0, 1.0)) for at in others},
        seed=c.seed,
        resamples=c.resamples,
        level=c.thresholds.guard_level(len(c.arms) - 1),
    )
    return {at: d.difference for at, d in found.items()}


def _finding_json(f: Finding) -> dict[str, Any]:
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
