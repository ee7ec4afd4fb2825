"""What a λ policy is, what it is told after each batch of rollouts, and the two policies that do not listen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from listeval.errors import UserError
from listopd.threshold.positions import Positions

if TYPE_CHECKING:
    from torch import BoolTensor, Tensor

PLAIN = 1.0
"""λ of plain on-policy distillation, which is below every λ*: the floor of the policies that adapt."""

State = dict[str, float]
"""A policy's state as plain numbers; NaN stands for what is not known yet."""


@dataclass(frozen=True)
class RolloutStats:
    """What one batch of rollouts showed, gathered over all processes: they must all move λ alike.

    `parsed` of `total` answers keep the contract, `copies` of them to each prompt. `positions` holds the probability
    of each scaffold token under teacher and base, by prompt; None where nobody asked for it.
    """

    parsed: int
    total: int
    positions: Positions | None = None
    copies: int = 1


class LambdaPolicy(Protocol):
    """λ for each token, from what the rollouts so far have shown."""

    def values(self, scaffold: BoolTensor) -> float | Tensor:
        """λ of the coming update: one number, or (B, T) fp32 beside the (B, T) mask of scaffold tokens."""
        ...

    def step(self, stats: RolloutStats) -> None:
        """Take in the rollouts of one batch; the next `values` may differ."""
        ...

    def state_dict(self) -> State:
        """Everything that `step` has changed."""
        ...

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Go on where `state_dict` was taken. Raises UserError for another policy's state."""
        ...

    def describe(self) -> dict[str, float]:
        """λ and what it rests on, for the log; finite numbers only."""
        ...


class _Stateless:
    """What the policies that do not listen to the rollouts have in common: no state."""

    def step(self, stats: RolloutStats) -> None:
        """Nothing to learn."""

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        require_keys(state, self.state_dict())


class Constant(_Stateless):
    """One λ for every token and step."""

    def __init__(self, value: float) -> None:
        self.value = value

    def values(self, scaffold: BoolTensor) -> float:
        return self.value

    def describe(self) -> dict[str, float]:
        return {"lambda": self.value}


class PerPosition(_Stateless):
    """One λ on scaffold tokens, another on the values between them."""

    def __init__(self, scaffold: float, values: float) -> None:
        self._scaffold, self._values = scaffold, values

    def values(self, scaffold: BoolTensor) -> Tensor:
        import torch

        one, other = (torch.tensor(lam, device=scaffold.device) for lam in (self._scaffold, self._values))
        return torch.where(scaffold, one, other)

    def describe(self) -> dict[str, float]:
        return {"lambda_scaffold": self._scaffold, "lambda_values": self._values}


def require_keys(state: Mapping[str, float], own: State) -> None:
    """Raises UserError unless a saved state has exactly a policy's own keys."""
    if set(state) != set(own):
        cause = f"the saved λ state has {sorted(state) or 'no values'}, this policy keeps {sorted(own) or 'none'}"
        raise UserError(cause, place="extrapolation", fix="resume with the recipe that the run was started with")
