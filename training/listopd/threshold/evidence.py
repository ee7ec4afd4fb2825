"""How well the quantities are known that λ* and its verdict rest on: intervals over independent units (ours).

Units are resampled, as in `uncertainty`: all limits are of the percentile bootstrap over them, widened for few.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from listeval.stats.intervals import Interval
from listopd.threshold.closed_form import Floats
from listopd.threshold.positions import Positions
from listopd.threshold.sequence import aggregate
from listopd.threshold.uncertainty import bootstrap_interval, percentile_interval, prompt_draws

_UNKNOWN = Interval(math.nan, math.nan, math.nan)


class Measured(NamedTuple):
    """What the positions of some prompts say, each with its 95 % interval; NaN where there is nothing to say."""

    prompts: int
    """With at least one scaffold position."""
    units: int
    """Of those, how many are independent: prompts of one example, or of one product, count once."""
    near: Interval
    """Share of the structural positions that are scaffold."""
    p: Interval
    b: Interval
    """Of form (B): the mean p, and the one b, which is 1/2 for an objective without a base."""
    binding: str
    """The class that holds most of the joint teacher-base log-ratio; empty where none holds any."""
    share: Interval
    """How much of it the binding class holds."""
    star: Interval
    """λ*(B)."""


def measure(
    structural: Positions,
    least: float,
    clip: float,
    *,
    base_relative: bool = True,
    seed: int = 0,
    resamples: int = 2_000,
) -> Measured:
    """Of all structural positions; those with p of `least` or more are the scaffold. `clip` is c.

    Without `base_relative` b and λ* are those of an objective without a base. The binding class is what was measured.
    """
    scaffold = structural.scaffold(least)
    near = _near(structural, least, seed, resamples)
    if not len(scaffold):
        return Measured(0, 0, near, _UNKNOWN, _UNKNOWN, "", _UNKNOWN, _UNKNOWN)
    m = scaffold.units
    draws = prompt_draws(scaffold, seed, resamples)
    seen = scaffold if base_relative else scaffold.without_base()
    drawn = zip(*(aggregate(seen, "mean", times) for times in draws), strict=True) if m > 1 else ((), ())
    p, b = (
        percentile_interval(float(whole[0]), np.concatenate([np.zeros(0), *parts]), m)
        for whole, parts in zip(aggregate(seen, "mean"), drawn, strict=True)
    )
    binding, share = _binding(scaffold, seed, resamples)
    star = bootstrap_interval(seen, clip, "mean", seed=seed, resamples=resamples)
    return Measured(scaffold.prompts, m, near, p, b, binding, share, star)


def class_shares(positions: Positions) -> dict[str, float]:
    """Each class's share of the joint teacher-base log-ratio where the teacher is above the base, largest first.

    Empty where it is above nowhere: then no class binds.
    """
    pull = np.maximum(positions.log_ratio, 0.0)
    total = float(pull.sum())
    if total == 0:
        return {}
    shares = {str(kind): float(pull[positions.kind == kind].sum()) / total for kind in np.unique(positions.kind)}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _near(structural: Positions, least: float, seed: int, resamples: int) -> Interval:
    if not len(structural):
        return _UNKNOWN
    return _share(structural, (structural.p >= least).astype(np.float64), np.ones(len(structural)), seed, resamples)


def _binding(scaffold: Positions, seed: int, resamples: int) -> tuple[str, Interval]:
    shares = class_shares(scaffold)
    if not shares:
        return "", _UNKNOWN
    name, pull = next(iter(shares)), np.maximum(scaffold.log_ratio, 0.0)
    return name, _share(scaffold, pull * (scaffold.kind == name), pull, seed, resamples)


def _share(positions: Positions, part: Floats, whole: Floats, seed: int, resamples: int) -> Interval:
    """Of a sum of (n,) values in another, the ratio of both over drawn units."""
    parts, wholes = (np.bincount(positions.prompt, weights=values) for values in (part, whole))
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = [(times @ parts) / (times @ wholes) for times in prompt_draws(positions, seed, resamples)]
    found = np.concatenate([np.zeros(0), *drawn])
    return percentile_interval(float(part.sum() / whole.sum()), found[np.isfinite(found)], positions.units)
