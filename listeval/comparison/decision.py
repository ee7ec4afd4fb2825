"""The rule of the verdict, on arrays: what was shown of an arm, from numbers alone.

U is the figure that decides: the first useful metric that has a value, over all samples, a broken contract counting
zero; the parse rate where there is no such metric, as in a task without one and on data without labels. Q is the same
metric on the answers that parse on both sides. An arm is *better*, and may be recommended, only if

1. U is shown higher: Holm's p over the comparison is at most alpha and the interval is clear of zero;
2. a loss of Q beyond the margin is excluded: the low limit of the difference is above minus the margin, or the arm's
   own quality is so near the best possible that nothing could rank its answers better by more than the margin;
3. where answers are rankings, they are shown to rank better than a random order.

1 to 3 must all hold, so each keeps its own error (intersection-union test, Berger 1982); 2 and 3 use limits at alpha
over the number of arms. Against an arm every hint counts: an interval below zero is enough, corrected or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from listeval.comparison.contrasts import Guard, QualityScale
from listeval.comparison.thresholds import Thresholds
from listeval.stats.intervals import Floats
from listeval.stats.paired import Difference


class Standing(Enum):
    """What an arm is against the baseline. The first that holds decides."""

    WORSE = "worse"
    """U is lower by its interval, corrected for the number of tests or not, or by Holm's p."""
    NOT_SHOWN = "not shown"
    """U is not shown higher."""
    AT_CHANCE = "at chance"
    """U is higher, but the arm is not shown to rank better than a random order."""
    TRADES = "trades"
    """U is higher, but an interval of Q lies below zero, and by more than the margin for all that is known."""
    UNKNOWN = "unknown"
    """U is higher, Q is not shown lower, but a loss beyond the margin is not excluded."""
    BETTER = "better"
    """May be recommended."""


class ArmEvidence(NamedTuple):
    """One number an arm, (arms,) each; NaN is no evidence."""

    useful: Floats
    useful_low: Floats
    useful_high: Floats
    useful_p: Floats
    """Holm's, over the comparison."""
    loss_low: Floats
    """Low limit of Q's difference in the metric's units; 0 where no answer that parsed has changed."""
    quality_high: Floats
    """The lowest of the high limits of Q's difference that were computed."""
    short_low: Floats
    """Low limit of the arm's own quality minus the best possible."""
    above_low: Floats
    """Low limit of the arm's own quality minus chance; infinite where nothing is ranked."""


def gather(
    useful: Sequence[tuple[Difference, float]],
    common: Sequence[Difference | None],
    guards: Sequence[Guard | None],
    unchanged: Sequence[bool],
    scale: QualityScale | None,
) -> ArmEvidence:
    """Evidence of arms: U's difference with Holm's p, Q's over what parses everywhere, the guard, same answers."""
    rows = [
        (*d.difference, p, *_of_quality(seen, guard, same, scale))
        for (d, p), seen, guard, same in zip(useful, common, guards, unchanged, strict=True)
    ]
    return ArmEvidence(*np.array(rows, dtype=np.float64).reshape(-1, len(ArmEvidence._fields)).T)


def _of_quality(
    common: Difference | None, guard: Guard | None, unchanged: bool, scale: QualityScale | None
) -> tuple[float, float, float, float]:
    if guard is None or scale is None:
        return 0.0, np.inf, 0.0, np.inf
    above = np.inf if scale.chance is None and not scale.unknown else guard.above.low
    short = guard.own.low - scale.bounds[1]
    if unchanged:
        return 0.0, np.inf, short, above
    seen = np.nan if common is None else common.difference.high
    return guard.quality.low, float(np.fmin(guard.quality.high, seen)), short, above


def decide(evidence: ArmEvidence, thresholds: Thresholds, margin: float) -> NDArray[np.object_]:
    """(arms,) standings; `margin` in the metric's units."""
    e = evidence
    significant = e.useful_p <= thresholds.alpha
    kept = np.fmax(e.loss_low, e.short_low) >= -margin
    rules = [
        ((e.useful_high < 0) | (significant & (e.useful < 0)), Standing.WORSE),
        (~(significant & (e.useful_low > 0)), Standing.NOT_SHOWN),
        (~(e.above_low > 0), Standing.AT_CHANCE),
        (~kept & (e.quality_high < 0), Standing.TRADES),
        (~kept, Standing.UNKNOWN),
    ]
    found = np.full(np.shape(e.useful), Standing.BETTER, dtype=object)
    for holds, standing in reversed(rules):
        found[holds] = standing
    return found
