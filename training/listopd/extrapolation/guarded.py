"""λ that gives way when the rollouts stop parsing, and comes back slowly (ours)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from listeval.stats import wilson
from listopd.extrapolation.policy import PLAIN, RolloutStats, State, require_keys

if TYPE_CHECKING:
    from torch import BoolTensor


class Guarded:
    """λ between 1 and `value`, driven by the lower 95 % Wilson limit of the rollouts' strict parse rate.

    The limit is compared with the best one so far. More than `drop` below it, the excess λ - 1 is multiplied by
    `shrink`; after `patience` batches in a row within `recover` of it, λ rises by `raise_by`. Between the two nothing
    moves: `recover` < `drop` keeps noise from switching λ to and fro. An empty batch changes nothing.
    """

    def __init__(
        self, *, value: float, drop: float, recover: float, shrink: float, raise_by: float, patience: int
    ) -> None:
        self._target, self._drop, self._recover = value, drop, recover
        self._shrink, self._raise_by, self._patience = shrink, raise_by, patience
        self._value, self._low, self._best, self._calm = value, math.nan, 0.0, 0

    def values(self, scaffold: BoolTensor) -> float:
        return self._value

    def step(self, stats: RolloutStats) -> None:
        """Compare this batch's parse rate with the best so far."""
        if stats.total == 0:
            return
        self._low = wilson(stats.parsed, stats.total).low
        self._best = max(self._best, self._low)
        lost = self._best - self._low
        self._calm = self._calm + 1 if lost <= self._recover else 0
        if lost > self._drop:
            self._value = PLAIN + self._shrink * (self._value - PLAIN)
        elif self._calm >= self._patience and self._value < self._target:
            self._value, self._calm = min(self._target, self._value + self._raise_by), 0

    def state_dict(self) -> State:
        return {"value": self._value, "low": self._low, "best": self._best, "calm": self._calm}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        require_keys(state, self.state_dict())
        self._value, self._low, self._best = state["value"], state["low"], state["best"]
        self._calm = int(state["calm"])

    def describe(self) -> dict[str, float]:
        known = {} if math.isnan(self._low) else {"parse_low": self._low, "parse_low_best": self._best}
        return {"lambda": self._value} | known
