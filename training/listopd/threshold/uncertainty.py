"""How well λ* is known: the errors of the measured p and b carried to the threshold, in two independent ways.

Both work on `tightness` = 1/(λ* - 1), which is nearly linear in the log-odds and passes smoothly through b = p, so an
upper limit may be infinite where the data allow b >= p. The independent units are those of `Positions`: prompts, or
examples and products where those are asked more than once. The intervals are ours; the paper resamples prompts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from listeval.errors import UserError
from listeval.stats.intervals import Interval, student_quantile
from listopd.threshold.closed_form import Floats, from_tightness, tightness
from listopd.threshold.positions import Positions
from listopd.threshold.sequence import SMOOTH, Aggregator, aggregate

_NUDGE = 1e-4
_BLOCK = 1 << 20


def propagate(
    p: float, b: float, c: float, *, p_error: float, b_error: float, correlation: float = 0.0, level: float = 0.95
) -> Interval:
    """λ* with the interval that standard errors of p and b give it, to first order (the delta method).

    Raises UserError for negative errors, a correlation outside [-1, 1], and as `lambda_star`.
    """
    if not (p_error >= 0 and b_error >= 0 and -1 <= correlation <= 1):
        cause = f"standard errors {p_error:g} and {b_error:g} with correlation {correlation:g} are not possible"
        raise UserError(cause, place="p_error, b_error", fix="errors are 0 or more, the correlation is in [-1, 1]")
    tight = float(tightness(p, b, c))
    if math.isinf(c):
        return _interval(tight, tight, tight)
    log_cap = math.log1p((c - 1) / p)
    by_p = (1 / (1 - p) + tight * (c - 1) / (p + c - 1)) / (p * log_cap)
    by_b = -1 / (b * (1 - b) * log_cap)
    variance = (by_p * p_error) ** 2 + (by_b * b_error) ** 2 + 2 * correlation * by_p * p_error * by_b * b_error
    half = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(max(0.0, variance))
    return _interval(tight, tight - half, tight + half)


def delta_interval(positions: Positions, c: float, aggregator: Aggregator = "mean", *, level: float = 0.95) -> Interval:
    """λ* with its interval to first order in how much each unit counts (the infinitesimal jackknife, Efron 1982).

    For a smooth function of means this is the delta method with the covariance between units. NaN limits with fewer
    than two units. Raises UserError for an aggregator that is not smooth, and as `safety_threshold`.
    """
    if aggregator not in SMOOTH:
        fix = f"use one of {', '.join(sorted(SMOOTH))}, or the bootstrap"
        raise UserError(f"the delta method does not hold for '{aggregator}'", place="aggregator", fix=fix)
    m = positions.units
    value = float(_tightness(positions, c, aggregator)[0])
    if m < 2:
        return _interval(value, math.nan, math.nan)
    nudge, owner = _NUDGE * np.eye(m), positions.prompt_units
    up, down = (_tightness(positions, c, aggregator, (1 + sign * nudge)[:, owner]) for sign in (1, -1))
    influence = (up - down) / (2 * _NUDGE)
    error = math.sqrt(float((influence**2).sum()) * m / (m - 1))
    half = student_quantile(level, m - 1) * error
    return _interval(value, value - half, value + half)


def bootstrap_interval(
    positions: Positions,
    c: float,
    aggregator: Aggregator = "mean",
    *,
    seed: int = 0,
    resamples: int = 2_000,
    level: float = 0.95,
) -> Interval:
    """λ* with percentile limits over units drawn with replacement, widened for few as in `stats.intervals`.

    For `max_of_prompt_mean` and `position_max` no draw exceeds the data's maximum, and the bootstrap of a maximum is
    not consistent (Bickel & Freedman 1981): read those limits as the sensitivity to leaving units out.
    NaN limits with fewer than two units. Raises UserError as `safety_threshold`.
    """
    m = positions.units
    value = float(_tightness(positions, c, aggregator)[0])
    if m < 2:
        return _interval(value, math.nan, math.nan)
    drawn = [_tightness(positions, c, aggregator, times) for times in prompt_draws(positions, seed, resamples)]
    return _interval(*percentile_interval(value, np.concatenate(drawn), m, level))


def prompt_draws(positions: Positions, seed: int, resamples: int) -> Iterator[Floats]:
    """Blocks (draws, prompts) of how often each draw takes each prompt: as often as its unit, as `unit_draws`."""
    for times in unit_draws(positions.units, seed, resamples):
        yield times[:, positions.prompt_units]


def unit_draws(units: int, seed: int, resamples: int) -> Iterator[Floats]:
    """Blocks (draws, units) of how often each draw takes each unit; nothing for fewer than two units."""
    if units < 2:
        return
    rng = np.random.default_rng(seed)
    step = max(1, _BLOCK // units)
    for at in range(0, resamples, step):
        size = min(step, resamples - at)
        yield rng.multinomial(units, np.full(units, 1 / units), size=size).astype(np.float64)


def percentile_interval(value: float, draws: Floats, units: int, level: float = 0.95) -> Interval:
    """`value` with the percentiles of its draws over units, widened for few of them; NaN limits without draws."""
    if not len(draws):
        return Interval(value, math.nan, math.nan)
    alpha = NormalDist().cdf(-student_quantile(level, units - 1) * math.sqrt(units / (units - 1)))
    low, high = np.quantile(draws, [alpha, 1 - alpha])
    return Interval(value, float(low), float(high))


def _tightness(positions: Positions, c: float, aggregator: Aggregator, times: Floats | None = None) -> Floats:
    return tightness(*aggregate(positions, aggregator, times), c)


def _interval(value: float, low: float, high: float) -> Interval:
    """Limits of λ* from those of its tightness, which falls as λ* rises."""
    star, upper, lower = (math.nan if math.isnan(at) else float(from_tightness(at)) for at in (value, low, high))
    return Interval(star, lower, upper)
