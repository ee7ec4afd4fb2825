"""Budget drift: why a short run sees its cliff above λ*, and what the next budget should show.

Ours, to first order: in log-odds the student relaxes from its warm start towards the target at a rate κ per step, and
reaches the clip boundary after T(λ) = ln(λ / (λ - λ*)) / κ steps. So a run of T steps breaks from
λ_cliff(T) = λ* / (1 - exp(-κT)), which falls to λ* as the budget grows: the paper reports a drift of that sign
(arXiv 2605.08737) and no law. The true rate is proportional to θ(1 - θ), so near saturation the drift is slower.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from listeval.errors import UserError
from listeval.stats.intervals import Interval


class CliffPoint(NamedTuple):
    """A measured cliff midpoint: after how many optimiser steps, at which λ, with which standard error."""

    steps: float
    midpoint: float
    error: float


class Drift(NamedTuple):
    """The fitted law: λ* (taken as known), the rate κ per step and its standard error."""

    star: float
    kappa: float
    error: float

    def cliff(self, steps: float, *, noise: float = 0.0, level: float = 0.95) -> Interval:
        """λ_cliff after `steps`, with its interval; `noise` is the standard error of the midpoint to be measured.

        Without noise the limits are those of the curve, with it those of the measurement. The upper one is infinite
        where the data allow κ = 0.
        """
        z = NormalDist().inv_cdf((1 + level) / 2)
        value = cliff_at(self.star, self.kappa, steps)
        slow, fast = self.kappa - z * self.error, self.kappa + z * self.error
        below = math.hypot(value - cliff_at(self.star, fast, steps), z * noise)
        above = math.hypot(cliff_at(self.star, slow, steps) - value, z * noise) if slow > 0 else math.inf
        return Interval(value, value - below, value + above)


def cliff_at(star: float, kappa: float, steps: float) -> float:
    """λ_cliff(T) = λ* / (1 - exp(-κT)). Raises UserError for λ*, κ or T that are not positive."""
    _require_positive({"λ*": star, "κ": kappa, "steps": steps})
    return star / -math.expm1(-kappa * steps)


def first_passage(lam: float, star: float, kappa: float) -> float:
    """Steps until the student reaches the clip boundary at λ; infinite for λ <= λ*. Raises as `cliff_at`."""
    _require_positive({"λ": lam, "λ*": star, "κ": kappa})
    return -math.log1p(-star / lam) / kappa if lam > star else math.inf


def fit_drift(points: Sequence[CliffPoint], star: float) -> Drift:
    """κ from measured midpoints, by weighted least squares on -ln(1 - λ*/λ) = κT, with one point or more.

    Where the points scatter more than their errors say, the error of κ is widened by as much (Birge 1932).
    Raises UserError without points, for values that are not positive, and for a midpoint at or below λ*.
    """
    if not points:
        raise UserError("no cliff midpoint to fit κ to", place="points", fix="give one measured budget or more")
    for point in points:
        _require_positive({"λ*": star, "steps": point.steps, "standard error": point.error})
        if not point.midpoint > star:
            cause = f"the midpoint {point.midpoint:g} after {point.steps:g} steps is not above λ* = {star:g}"
            fix = "budget drift cannot explain a cliff below λ*: measure p and b again, or look at the step size"
            raise UserError(cause, place="points", fix=fix)
    steps, middle, error = np.array(points, dtype=np.float64).T
    passed = -np.log1p(-star / middle)
    weight = (middle * (middle - star) / (star * error)) ** 2
    information = float((weight * steps**2).sum())
    kappa = float((weight * steps * passed).sum()) / information
    scatter = float((weight * (passed - kappa * steps) ** 2).sum()) / max(1, len(points) - 1)
    return Drift(star, kappa, math.sqrt(max(1.0, scatter) / information))


def _require_positive(values: Mapping[str, float]) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise UserError(f"{name} must be a positive number, not {value}", place=name, fix="give a finite number")
