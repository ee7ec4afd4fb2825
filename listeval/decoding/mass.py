"""The price of a constraint: the probability that it takes away from what the model would have said."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class MaskedMass:
    """Over the steps of one answer, 1 - sum of p over the allowed tokens, p = softmax of the raw logits.

    `nats` is the sum of -log(allowed mass): how much less likely the model is to keep to the
    constraint by itself than not to care, along this answer.
    """

    steps: int = 0
    total: float = 0.0
    most: float = 0.0
    nats: float = 0.0

    def add(self, log_allowed: float) -> None:
        """One step more, with the logarithm of its allowed mass (rounding may lift that above zero)."""
        log_allowed = min(log_allowed, 0.0)
        masked = -math.expm1(log_allowed)
        self.steps += 1
        self.total += masked
        self.most = max(self.most, masked)
        self.nats -= log_allowed

    @property
    def mean(self) -> float | None:
        """Mean masked mass a step, in [0, 1]; None before the first."""
        return self.total / self.steps if self.steps else None

    def spec(self) -> dict[str, float | int | None]:
        """JSON."""
        return {"steps": self.steps, "mean": self.mean, "max": self.most, "nats": self.nats}
