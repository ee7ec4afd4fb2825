"""λ kept below the threshold that the rollouts themselves imply (ours; the paper has no controller)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from listopd.extrapolation.lambda_policy import PLAIN, RolloutStats, State, require_keys
from listopd.threshold.closed_form import from_tightness, lambda_star, tightness
from listopd.threshold.sequence import Aggregator, aggregate, flip_threshold

if TYPE_CHECKING:
    from torch import BoolTensor


class Auto:
    """λ = (1 - epsilon) min(λ*(p, b, clip), λ_flip), with p and b measured at the scaffold positions of the rollouts.

    p is the teacher's probability of its own modal token, b the base's of the same, at every position, whatever the
    rollout wrote there: where the rollout must agree, low b are seen too seldom and λ* comes out too high. λ_flip is
    where the target's mode changes at some step whose base is surer than the teacher (`flip_threshold`); it is taken
    over all positions, before the filter by p that λ* has.

    A tighter batch counts at once; a looser one is mixed in, `smoothing` being the weight of the past, on the scale of
    1/(λ* - 1), which is finite also at b = p. So λ falls at once and rises slowly, and never exceeds (1 - epsilon)
    times the threshold of the latest batch, save that it is never below 1: where that product is, the margin shrinks,
    but the threshold is above 1. How much tighter than that a batch was is not remembered, (1 - epsilon)/epsilon on
    that scale: one near-tie, whose λ_flip is all but 1, must not keep λ at 1 for dozens of batches. `ceiling` stands in
    for a threshold that is infinite or large. A batch without scaffold tokens changes nothing; before the first one λ
    is 1.
    """

    def __init__(
        self,
        *,
        epsilon: float,
        aggregator: Aggregator,
        ceiling: float,
        clip: float,
        smoothing: float,
        scaffold_filter: float,
    ) -> None:
        self._epsilon, self._aggregator, self._ceiling, self._clip = epsilon, aggregator, ceiling, clip
        self._smoothing, self._filter = smoothing, scaffold_filter
        self._value = PLAIN
        self._tightness = self._flip = self._p = self._b = math.nan

    @property
    def _tightest(self) -> float:
        """Where λ comes down to 1; infinite without a margin."""
        return (1 - self._epsilon) / self._epsilon if self._epsilon else math.inf

    @property
    def _remembered(self) -> float:
        """The threshold that λ is a margin below: of the latest batch, or of tighter ones before it."""
        return float(from_tightness(self._tightness))

    def values(self, scaffold: BoolTensor) -> float:
        return self._value

    def step(self, stats: RolloutStats) -> None:
        """Measure the threshold anew, also under a ceiling of 1, which λ then keeps to.

        Raises ValueError where the stats were gathered without positions; under a recipe's own ceiling of 1 there is
        no base to gather them of.
        """
        if stats.positions is None and self._ceiling == PLAIN:
            return
        if stats.positions is None:
            raise ValueError("the policy 'auto' needs the probabilities at scaffold positions")
        kept = stats.positions.scaffold(self._filter)
        self._flip = flip_threshold(stats.positions)
        if not len(kept) and math.isinf(self._flip):
            return
        latest = 1 / (self._flip - PLAIN)
        if len(kept):
            self._p, self._b = (float(column[0]) for column in aggregate(kept, self._aggregator))
            latest = max(latest, float(tightness(self._p, self._b, self._clip)))
        latest = min(latest, self._tightest)
        past = latest if math.isnan(self._tightness) else min(self._tightness, self._tightest)
        self._tightness = max(latest, self._smoothing * past + (1 - self._smoothing) * latest)
        below = PLAIN if self._tightness >= self._tightest else (1 - self._epsilon) * self._remembered
        self._value = min(self._ceiling, max(PLAIN, below))

    def state_dict(self) -> State:
        known = {"tightness": self._tightness, "flip": self._flip, "p": self._p, "b": self._b}
        return {"value": self._value, **known}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        require_keys(state, self.state_dict())
        self._value, self._tightness = state["value"], state["tightness"]
        self._flip, self._p, self._b = state["flip"], state["p"], state["b"]

    def describe(self) -> dict[str, float]:
        star = math.nan if math.isnan(self._p) else lambda_star(self._p, self._b, self._clip)
        measured = {"lambda_star": star, "lambda_flip": self._flip, "scaffold_p": self._p, "scaffold_b": self._b}
        if not math.isnan(self._tightness):
            measured["lambda_remembered"] = self._remembered
        return {"lambda": self._value} | {name: value for name, value in measured.items() if math.isfinite(value)}
