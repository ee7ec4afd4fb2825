"""What a coarse grid of λ leaves open of where a falling rate takes a level, however many prompts were asked."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from listeval.stats.intervals import Interval
from listopd.estimates.isotonic import crossing, stretch
from listopd.threshold.closed_form import Floats

_STEEP = 0.5
"""Share of the drop in one stretch of the grid above which a straight line through it is no guide: in logistic falls it
puts the midpoint wrong by 8 % of the stretch at most where the share is a half, and by up to 47 % where it is all."""


class MeasuredCurve(NamedTuple):
    """The first fields of a `Cliff`: L rates with intervals, their isotonic fit, and its two ends."""

    lams: tuple[float, ...]
    rates: tuple[Interval, ...]
    curve: tuple[float, ...]
    plateau: Interval
    floor: Interval


def left_open(found: MeasuredCurve, level: float) -> tuple[float, float]:
    """From where to where the level may be taken: twice the same λ unless the grid is too coarse.

    Where one stretch holds most of the drop, a logistic fall is laid through its two rates; the limits are those of
    the falls that the rates' own limits allow. Two rates that cannot be told from plateau and floor allow all of it.
    """
    last, first = stretch(found.curve, level)
    floor, drop = found.curve[-1], found.curve[0] - found.curve[-1]
    if found.curve[last] - found.curve[first] <= _STEEP * drop:
        return (crossing(found.lams, found.curve, level),) * 2
    above, below = found.rates[last], found.rates[first]
    half, high, low = _log_odds((np.array([level, above.low, below.high]) - floor) / drop)
    most = found.plateau.low - found.floor.high
    highest, lowest = _log_odds((np.array([above.high, below.low]) - found.floor.high) / most)
    width = found.lams[first] - found.lams[last]
    before, after = _share(high - half, half - lowest), _share(half - low, highest - half)
    return found.lams[last] + before * width, found.lams[first] - after * width


def _log_odds(shares: Floats) -> Floats:
    """Infinite at 0 and 1 and beyond; NaN, of a limit that is not known, stays."""
    inside = np.clip(shares, 0.0, 1.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(inside) - np.log1p(-inside))


def _share(near: float, far: float) -> float:
    """How much of a stretch lies certainly on this side: `near` at least and `far` at most are its ends' log-odds."""
    return float(near / (near + far)) if 0 < near < math.inf and far >= 0 else 0.0
