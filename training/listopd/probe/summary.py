"""From measured steps to tables: spreads by class and item, thresholds with intervals, and a verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np

from listeval.stats.intervals import Interval, rate_interval
from listopd.probe.flips import Flip, flips
from listopd.probe.observations import Observations
from listopd.probe.probe_config import ProbeConfig
from listopd.threshold.closed_form import Floats, logit, sigmoid
from listopd.threshold.evidence import class_shares
from listopd.threshold.positions import Positions
from listopd.threshold.preconditions import Applicability, Evidence, PreconditionLimits, judge
from listopd.threshold.sequence import Aggregator, aggregate, operating_threshold, tightest_threshold
from listopd.threshold.uncertainty import bootstrap_interval
from listopd.tokens import TokenClass

if TYPE_CHECKING:
    from listopd.probe.answers import Rollouts

SAFETY: Aggregator = "max_of_prompt_mean"
OPERATING: Aggregator = "mean"
"""The paper's pair, fixed before the measurement: forms (A) and (B)."""


class Spread(NamedTuple):
    """Of probabilities: their mean, the probability at their mean log-odds, quantiles, and extremes."""

    mean: float
    logit_mean: float
    least: float
    q05: float
    q25: float
    q50: float
    q75: float
    q95: float
    most: float


class ProbeRow(NamedTuple):
    """Steps of one class, or of one class at one item (`item` None for all)."""

    kind: TokenClass
    item: int | None
    n: int
    p: Spread
    b: Spread
    star: float
    """λ* of the mean p and the b that the mean log-ratio implies; of b = 1/2 for an objective without a base."""
    share: float
    """Of the scaffold's joint teacher-base log-ratio; NaN for classes that are no scaffold."""


class Bound(NamedTuple):
    """λ* under one aggregator, with its interval over independent units."""

    aggregator: Aggregator
    form: str
    p: float
    b: float
    star: Interval


class ProbePart(NamedTuple):
    """What was measured on one kind of answers (`source`: gold or rollouts)."""

    source: str
    prompts: int
    steps: int
    scaffold: int
    """Positions (tokens) that the thresholds are made from."""
    undecided: float
    """Mean share of probability that the step's own token leaves to the next one."""
    classes: tuple[ProbeRow, ...]
    items: tuple[ProbeRow, ...]
    bounds: tuple[Bound, ...]
    tightest: float
    """The smallest λ* of a single position; NaN without scaffold."""
    verdict: Applicability
    flips: tuple[Flip, ...] = ()
    """Where the target's mode flips at some λ, by class and item, the earliest first; nowhere without a base."""


def summarise(source: str, found: Observations, config: ProbeConfig, rollouts: Rollouts | None = None) -> ProbePart:
    """Tables, thresholds and verdict of one source; `rollouts` are the base's, if it wrote any."""
    structural = found.structural(ids=config.ids).by_token().positions()
    scaffold = structural.scaffold(config.scaffold)
    evidence = _evidence(structural, config, rollouts)
    shares, seen = class_shares(scaffold), _seen(scaffold, config)
    return ProbePart(
        source,
        len(set(found.prompt)),
        len(found),
        len(scaffold),
        float(found.undecided.mean()) if len(found) else np.nan,
        tuple(_classes(found, config, shares)),
        tuple(_items(found, config)),
        tuple(_bounds(seen, config)) if len(seen) else (),
        tightest_threshold(seen, config.clip) if len(seen) else np.nan,
        judge(evidence, PreconditionLimits(filter=config.scaffold)),
        flips(found, config.floor) if config.base_relative else (),
    )


def _evidence(structural: Positions, config: ProbeConfig, rollouts: Rollouts | None) -> Evidence:
    bare = Evidence(
        structural, config.cap, config.base_relative, steps=config.steps, kappa=config.kappa, clip=config.clip
    )
    if rollouts is None:
        return bare
    units = rollouts.units
    rate = rate_interval(rollouts.kept, units)
    return replace(bare, parsed=rollouts.parsed, total=len(units), rate=rate, independent=len(set(units)))


def _seen(positions: Positions, config: ProbeConfig) -> Positions:
    """The positions as the objective of the training sees them; what was measured of the base is tabled beside it."""
    return positions if config.base_relative else positions.without_base()


def _classes(found: Observations, config: ProbeConfig, shares: dict[str, float]) -> Iterator[ProbeRow]:
    for kind in TokenClass:
        chosen = found.kind == kind.value
        if chosen.any():
            yield _row(found.keep(chosen), kind, None, config, shares.get(kind.value, np.nan))


def _items(found: Observations, config: ProbeConfig) -> Iterator[ProbeRow]:
    for kind in TokenClass:
        here = found.kind == kind.value
        for item in np.unique(found.item[here]).tolist():
            yield _row(found.keep(here & (found.item == item)), kind, item, config, np.nan)


def _row(found: Observations, kind: TokenClass, item: int | None, config: ProbeConfig, share: float) -> ProbeRow:
    positions = found.positions()
    star = operating_threshold(_seen(positions, config), config.clip).value
    return ProbeRow(kind, item, len(positions), spread(positions.p), spread(positions.b), star, share)


def spread(values: Floats) -> Spread:
    """The spread of probabilities in (0, 1)."""
    least, q05, q25, q50, q75, q95, most = np.quantile(values, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]).tolist()
    middle = float(sigmoid(logit(values).mean()))
    return Spread(float(values.mean()), middle, least, q05, q25, q50, q75, q95, most)


def _bounds(scaffold: Positions, config: ProbeConfig) -> Iterator[Bound]:
    forms = {SAFETY: "A", OPERATING: "B"}
    for aggregator in sorted(get_args(Aggregator), key=lambda name: forms.get(name, "C")):
        p, b = (float(column[0]) for column in aggregate(scaffold, aggregator))
        star = bootstrap_interval(scaffold, config.clip, aggregator, resamples=config.bootstrap)
        yield Bound(aggregator, forms.get(aggregator, ""), p, b, star)
