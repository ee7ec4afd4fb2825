"""Is there a cliff over a λ grid, and where: midpoint and onset of a falling rate, with intervals, behind a gate.

The curve is the isotonic (never rising) fit of the rates. Plateau and floor are its two ends, the midpoint lies halfway
between them, the onset 10 points below the plateau; between two λ of the grid the curve is straight. Intervals are
percentiles of a paired bootstrap: prompts (whole clusters of them) and seeds are drawn with replacement, the same draw
for all λ, and limits are widened for few of either, as `stats.intervals` does. Simulated coverage is in the tests.
Where two neighbours of the grid hold most of the fall between them, no number of prompts says where between them it is:
the intervals of midpoint and onset then reach over what logistic falls through the rates of both neighbours leave open.

Without a gate a flat curve, too, has a midpoint somewhere. So midpoint and onset are reported only where the drop's
lower limit exceeds `GATE`. The midpoint is the primary figure: the onset moves with the plateau's noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from listeval.errors import UserError
from listeval.stats.intervals import FEW, Interval, wilson
from listopd.estimates.grid import MeasuredCurve, left_open
from listopd.estimates.isotonic import crossing, falling
from listopd.estimates.outcomes import Outcomes
from listopd.threshold.closed_form import Floats
from listopd.threshold.drift import CliffPoint
from listopd.threshold.uncertainty import percentile_interval

GATE = 0.3
"""A drop whose lower limit is not above this is no cliff."""
ONSET_LOSS = 0.1
"""How far below the plateau the onset is."""
_LEVEL_OFF = 0.1
"""The floor counts as reached where the curve loses no more over the grid's last stretch."""
_LEAST_DRAWN = 0.5
"""Share of the draws that must give a curve, for there to be intervals."""


class Cliff(NamedTuple):
    """What a rate does over the λ grid. Limits are NaN with one prompt, or where too few draws have every λ."""

    lams: tuple[float, ...]
    rates: tuple[Interval, ...]
    """As measured, one for each λ."""
    curve: tuple[float, ...]
    """The isotonic fit of `rates`."""
    plateau: Interval
    floor: Interval
    drop: Interval
    """Plateau minus floor."""
    midpoint: Interval | None
    onset: Interval | None
    """None where the gate is closed."""
    midpoint_error: float
    """Standard error of the midpoint: of its draws, and of the grid where it is too coarse. NaN without one."""
    settled: bool
    """Whether the curve has come to its floor. Else the grid ends on the slope, and the midpoint lies further right."""
    seeds: int
    prompts: int

    @property
    def exists(self) -> bool:
        """Whether the gate is open."""
        return self.midpoint is not None


class _Shape(NamedTuple):
    """Of one curve: its ends, and where it is halfway down and `ONSET_LOSS` down."""

    plateau: float
    floor: float
    drop: float
    midpoint: float
    onset: float


def cliff(outcomes: Outcomes, *, draws: int = 2000, seed: int = 0, level: float = 0.95) -> Cliff:
    """The estimates of one sweep, a pure function of its arguments.

    Raises UserError where some λ has no outcome at all, and for fewer than two λ.
    """
    values = _complete(outcomes)
    lams = tuple(float(lam) for lam in outcomes.lams)
    drawn = _drawn(outcomes, draws, seed)
    drawn = drawn[~np.isnan(drawn).any(axis=1)]
    drawn = drawn if len(drawn) >= _LEAST_DRAWN * draws else drawn[:0]
    curve = falling(values)
    rates = tuple(_rate(float(v), column, outcomes, level) for v, column in zip(values, drawn.T, strict=True))
    found = _limits(outcomes, rates, curve, drawn, level)
    exists = found.drop.low > GATE
    return Cliff(
        lams,
        rates,
        tuple(curve.tolist()),
        *found[:3],
        found.midpoint if exists else None,
        found.onset if exists else None,
        found.error if exists else math.nan,
        bool(curve[-2] - curve[-1] <= _LEVEL_OFF or curve[-1] <= _LEVEL_OFF),
        outcomes.seeds,
        outcomes.prompts,
    )


def midpoint_shift(
    before: Outcomes, after: Outcomes, *, draws: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval | None:
    """How much further right the midpoint is `after`, on the same prompts: both sweeps see the same draws of them.

    None unless both have a cliff. Seeds are drawn alike where both have as many. Raises UserError as `cliff`, and for
    sweeps over different numbers of prompts.
    """
    if before.prompts != after.prompts or before.groups != after.groups:
        cause = f"{before.prompts} and {after.prompts} prompts cannot be paired"
        raise UserError(cause, place="outcomes", fix="evaluate both sweeps on the same prompts")
    old, new = (cliff(sweep, draws=draws, seed=seed, level=level) for sweep in (before, after))
    if old.midpoint is None or new.midpoint is None:
        return None
    moved = _middles(after, draws, seed) - _middles(before, draws, seed)
    value, units = new.midpoint.value - old.midpoint.value, min(before.units, after.units)
    left, right = (left_open(MeasuredCurve(*one[:5]), _half_way(one.curve)) for one in (old, new))
    found = percentile_interval(value, moved[~np.isnan(moved)], units, level)
    return _reaching(found, right[0] - left[1], right[1] - left[0])


def cliff_points(by_budget: Mapping[float, Cliff]) -> list[CliffPoint]:
    """The midpoints by budget in steps, with their errors, for `listopd.threshold.fit_drift`.

    Budgets without a cliff or without an error have no midpoint to fit, and are left out.
    """
    return [
        CliffPoint(steps, found.midpoint.value, found.midpoint_error)
        for steps, found in sorted(by_budget.items())
        if found.midpoint is not None and found.midpoint_error > 0
    ]


def _complete(outcomes: Outcomes) -> Floats:
    rates = outcomes.rates()
    if len(rates) < 2:
        raise UserError("one λ makes no curve", place="outcomes", fix="sweep over two λ or more")
    if np.isnan(rates).any():
        lam = float(np.asarray(outcomes.lams)[np.isnan(rates)][0])
        raise UserError(f"λ = {lam:g} has no outcome", place="outcomes", fix="leave it out, or run its arms")
    return rates


def _drawn(outcomes: Outcomes, draws: int, seed: int) -> Floats:
    """(draws, L) rates, NaN where a draw has no answer; no draws of a single prompt."""
    return np.concatenate([np.zeros((0, len(outcomes.lams))), *outcomes.drawn_rates(draws, seed)])


def _middles(outcomes: Outcomes, draws: int, seed: int) -> Floats:
    """(draws,) midpoints, NaN where a draw lacks a λ."""
    lams = tuple(outcomes.lams)
    rows = _drawn(outcomes, draws, seed)
    return np.array([math.nan if np.isnan(row).any() else _shape(lams, falling(row)).midpoint for row in rows])


def _shape(lams: tuple[float, ...], curve: Floats) -> _Shape:
    plateau, floor = float(curve[0]), float(curve[-1])
    middle = crossing(lams, curve, _half_way(curve))
    return _Shape(plateau, floor, plateau - floor, middle, crossing(lams, curve, plateau - ONSET_LOSS))


def _half_way(curve: Sequence[float] | Floats) -> float:
    return (float(curve[0]) + float(curve[-1])) / 2


def _reaching(interval: Interval, low: float, high: float) -> Interval:
    """Wide enough for both; NaN limits stay."""
    return Interval(interval.value, float(np.minimum(interval.low, low)), float(np.maximum(interval.high, high)))


class _Limits(NamedTuple):
    """As in `Cliff`, before the gate."""

    plateau: Interval
    floor: Interval
    drop: Interval
    midpoint: Interval
    onset: Interval
    error: float


def _limits(outcomes: Outcomes, rates: tuple[Interval, ...], curve: Floats, drawn: Floats, level: float) -> _Limits:
    lams = tuple(float(lam) for lam in outcomes.lams)
    value = _shape(lams, curve)
    shapes = np.array([_shape(lams, falling(row)) for row in drawn]).reshape(-1, len(value))
    plateau, floor = (_rate(value[i], shapes[:, i], outcomes, level) for i in (0, 1))
    drop, midpoint, onset = (percentile_interval(value[i], shapes[:, i], outcomes.units, level) for i in (2, 3, 4))
    if len(shapes) and any(_unsafe(shapes[:, i], outcomes) for i in (0, 1)):
        drop = _apart(plateau, floor, drop)
    known = MeasuredCurve(lams, rates, tuple(curve.tolist()), plateau, floor)
    middle = left_open(known, _half_way(curve))
    midpoint = _reaching(midpoint, *middle)
    onset = _reaching(onset, *left_open(known, value.plateau - ONSET_LOSS))
    # Of a stretch that holds the midpoint anywhere, the standard deviation.
    error = math.hypot(_error(shapes[:, 3], outcomes.units), (middle[1] - middle[0]) / math.sqrt(12))
    return _Limits(plateau, floor, drop, midpoint, onset, error)


def _unsafe(drawn: Floats, outcomes: Outcomes) -> bool:
    """Whether percentiles alone would be too narrow: few clusters, or draws that all agree, which is no proof."""
    return outcomes.groups < FEW or drawn.min() == drawn.max()


def _rate(value: float, drawn: Floats, outcomes: Outcomes, level: float) -> Interval:
    """A rate with its percentiles, which reach as far as Wilson's limits for so many clusters where they are unsafe."""
    found = percentile_interval(value, drawn, outcomes.units, level)
    if not len(drawn) or not _unsafe(drawn, outcomes):
        return found
    alone = wilson(value * outcomes.groups, outcomes.groups, level=level)
    return Interval(value, min(found.low, alone.low), max(found.high, alone.high))


def _apart(plateau: Interval, floor: Interval, drop: Interval) -> Interval:
    """The drop between ends whose own spread is too small: limits by Newcombe (1998, Stat. Med. 17), if wider.

    Without them two prompts that parse at one λ and not at another would be a cliff for certain.
    """
    low = drop.value - math.hypot(plateau.value - plateau.low, floor.high - floor.value)
    high = drop.value + math.hypot(plateau.high - plateau.value, floor.value - floor.low)
    return Interval(drop.value, min(drop.low, low), max(drop.high, high))


def _error(middles: Floats, units: int) -> float:
    """Of n units the bootstrap sees (n - 1)/n of the variance."""
    return float(middles.std(ddof=1)) * math.sqrt(units / (units - 1)) if len(middles) > 1 else math.nan
