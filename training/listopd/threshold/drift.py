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
from listopd.threshold.closed_form import Floats


class CliffPoint(NamedTuple):
    """A measured cliff midpoint: after how many optimiser steps, at which λ, with which standard error."""

    steps: float
    midpoint: float
    error: float


class Drift(NamedTuple):
    """The fitted law: λ* (taken as known), the rate κ per step, and the midpoints that it was fitted to.

    κ is infinite where no midpoint lies above λ*: then the clip saturates before the first budget ends.
    """

    star: float
    kappa: float
    points: tuple[CliffPoint, ...]

    def rates(self, level: float = 0.95) -> tuple[float, float]:
        """Limits of κ by its profile, how far χ² may rise above its least; the upper one may be infinite.

        Where the points scatter more than their errors say, it may rise by as much more (Birge 1932).
        """
        grid = _rates(self.points)
        misfit = _misfit(self.points, self.star, grid)
        least = float(_misfit(self.points, self.star, np.array([self.kappa]))[0])
        scatter = max(1.0, least / max(1, len(self.points) - 1))
        inside = np.flatnonzero(misfit <= least + scatter * _quantile(level) ** 2)
        if not len(inside):
            return self.kappa, self.kappa
        first, last = int(inside[0]), int(inside[-1])
        low = min(float(grid[first]), self.kappa)
        return low, math.inf if last == len(grid) - 1 else max(float(grid[last]), self.kappa)

    def cliff(self, steps: float, *, star: float | None = None, noise: float = 0.0, level: float = 0.95) -> Interval:
        """λ_cliff after `steps`, with its interval; `noise` is the standard error of the midpoint to be measured.

        `star` is the λ* of the run that is foretold, such as one with another cap; by default that of the fit.
        Without noise the limits are those of the curve, with it those of the measurement. Raises UserError for λ* or
        steps that are not positive.
        """
        star = self.star if star is None else star
        slow, fast = self.rates(level)
        value, spread = cliff_at(star, self.kappa, steps), _quantile(level) * noise
        below = math.hypot(value - cliff_at(star, fast, steps), spread)
        above = math.hypot(cliff_at(star, slow, steps) - value, spread)
        return Interval(value, value - below, value + above)


def cliff_at(star: float, kappa: float, steps: float) -> float:
    """λ_cliff(T) = λ* / (1 - exp(-κT)), which is λ* for an infinite κ. Raises UserError for what is not positive."""
    _require_positive({"λ*": star, "steps": steps} if kappa == math.inf else {"λ*": star, "κ": kappa, "steps": steps})
    return star / -math.expm1(-kappa * steps)


def first_passage(lam: float, star: float, kappa: float) -> float:
    """Steps until the student reaches the clip boundary at λ; infinite for λ <= λ*. Raises as `cliff_at`."""
    _require_positive({"λ": lam, "λ*": star, "κ": kappa})
    return -math.log1p(-star / lam) / kappa if lam > star else math.inf


def fit_drift(points: Sequence[CliffPoint], star: float) -> Drift:
    """κ from measured midpoints, by weighted least squares on the midpoints themselves, with one point or more.

    A midpoint at λ*, or below it by no more than its error explains, is evidence too: that the rate is large.
    Raises UserError without points, for values that are not positive, and for a midpoint that is below λ* for certain.
    """
    if not points:
        raise UserError("no cliff midpoint to fit κ to", place="points", fix="give one measured budget or more")
    for point in points:
        _require_positive({"λ*": star, "steps": point.steps, "standard error": point.error})
        if point.midpoint + _quantile(0.95) * point.error < star:
            cause = f"the midpoint {point.midpoint:g} after {point.steps:g} steps is below λ* = {star:g}"
            fix = "budget drift cannot explain a cliff below λ*: measure p and b again, or look at the step size"
            raise UserError(cause, place="points", fix=fix)
    return Drift(star, _best_rate(points, star), tuple(points))


def _best_rate(points: Sequence[CliffPoint], star: float) -> float:
    """The κ of the least χ²; infinite where no finite one fits better."""
    # Imported here: it takes 0.2 s.
    from scipy.optimize import minimize_scalar

    grid = _rates(points)
    misfit = _misfit(points, star, grid)
    at = int(misfit.argmin())
    if misfit[-1] <= misfit[at]:
        return math.inf
    bounds = np.log(grid[max(0, at - 1)]), np.log(grid[at + 1])
    found = minimize_scalar(
        lambda u: float(_misfit(points, star, np.exp([u]))[0]), bounds=bounds, options={"xatol": 1e-12}
    )
    return float(np.exp(found.x))


def _rates(points: Sequence[CliffPoint]) -> Floats:
    """(R,) rates, rising: from where a run has hardly begun to where the shortest has come to λ* to the last bit."""
    steps = [point.steps for point in points]
    return np.geomspace(1e-6 / max(steps), 40 / min(steps), 4000)


def _misfit(points: Sequence[CliffPoint], star: float, rates: Floats) -> Floats:
    """(R,) χ² of the points at rates (R,)."""
    steps, middle, error = np.array(points, dtype=np.float64).T[:, :, None]
    law = star / -np.expm1(-rates * steps)
    return np.asarray((((middle - law) / error) ** 2).sum(axis=0))


def _quantile(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)


def _require_positive(values: Mapping[str, float]) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise UserError(f"{name} must be a positive number, not {value}", place=name, fix="give a finite number")
