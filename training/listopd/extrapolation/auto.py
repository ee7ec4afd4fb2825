"""λ kept below the threshold that the rollouts themselves imply (ours; the paper has no controller)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from listopd.extrapolation.policy import PLAIN, RolloutStats, State, require_keys
from listopd.threshold.closed_form import from_tightness, tightness
from listopd.threshold.sequence import Aggregator, aggregate

if TYPE_CHECKING:
    from torch import BoolTensor


class Auto:
    """λ = (1 - epsilon) λ*(p, b, clip), with p and b measured on the scaffold tokens of the rollouts.

    A tighter batch counts at once; a looser one is mixed in, `smoothing` being the weight of the past, on the scale of
    1/(λ* - 1), which is finite also at b = p. So λ falls at once and rises slowly, and never exceeds (1 - epsilon) λ*
    of the latest batch, save that it is never below 1: where (1 - epsilon) λ* < 1 the margin shrinks, but 1 < λ*
    holds. `ceiling` stands in for a λ* that is infinite or large. A batch without scaffold tokens changes nothing;
    before the first one λ is 1.
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
        self._value, self._tightness, self._p, self._b = PLAIN, math.nan, math.nan, math.nan

    def values(self, scaffold: BoolTensor) -> float:
        return self._value

    def step(self, stats: RolloutStats) -> None:
        """Measure λ* anew. Raises ValueError where the stats were gathered without positions."""
        if stats.positions is None:
            raise ValueError("the policy 'auto' needs the probabilities at scaffold positions")
        kept = stats.positions.scaffold(self._filter)
        if not len(kept):
            return
        self._p, self._b = (float(column[0]) for column in aggregate(kept, self._aggregator))
        latest = float(tightness(self._p, self._b, self._clip))
        past = latest if math.isnan(self._tightness) else self._tightness
        self._tightness = max(latest, self._smoothing * past + (1 - self._smoothing) * latest)
        star = float(from_tightness(self._tightness))
        self._value = min(self._ceiling, max(PLAIN, (1 - self._epsilon) * star))

    def state_dict(self) -> State:
        return {"value": self._value, "tightness": self._tightness, "p": self._p, "b": self._b}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        require_keys(state, self.state_dict())
        self._value, self._tightness = state["value"], state["tightness"]
        self._p, self._b = state["p"], state["b"]

    def describe(self) -> dict[str, float]:
        star = math.nan if math.isnan(self._tightness) else float(from_tightness(self._tightness))
        measured = {"lambda_star": star, "scaffold_p": self._p, "scaffold_b": self._b}
        return {"lambda": self._value} | {name: value for name, value in measured.items() if math.isfinite(value)}
