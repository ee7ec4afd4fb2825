"""The sampled objective put together: advantage, trainer/rollout weight and policy loss of a batch of answers.

One function for every loop that trains by it, so that a backend can differ in how it gets log-probabilities only.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from listopd.objective.advantage import extrapolated_advantage
from listopd.objective.policy import policy_loss
from listopd.objective.spec import ObjectiveSpec
from listopd.objective.weights import Weights, importance_weight


class Sampled(NamedTuple):
    """`[B, T]` each: the loss, what it was made of, and where each clip that is on acted, by its name in ClipSpec."""

    per_token: Tensor
    reference: Tensor
    """The student's log-probability in the advantage."""
    advantage: Tensor
    weights: Weights
    acted: dict[str, Tensor]


def sampled_loss(
    spec: ObjectiveSpec,
    logp: Tensor,
    old: Tensor,
    teacher: Tensor,
    base: Tensor | None,
    lam: float | Tensor,
    rollout: Tensor,
    mask: Tensor,
    entropy_split: Tensor | None = None,
) -> Sampled:
    """Loss of each sampled token without regularisers; all tensors are [B, T], and only `logp` carries a gradient.

    `old`, `rollout`: log-probability of the tokens under the trainer before its updates, and under the engine that
    wrote them. Padding may hold anything. Raises ValueError as `policy_loss` does.
    """
    reference = old if spec.advantage_at == "old" else logp.detach()
    advantage = extrapolated_advantage(
        reference,
        teacher,
        base,
        lam,
        ratio_cap=spec.clips.teacher_ratio_cap,
        offset=spec.base_neutral_offset or 0.0,
    )
    weights = importance_weight(old, rollout, spec.clips.rollout_cap, mask)
    loss = policy_loss(logp, old, advantage.values, mask, spec.kind, spec.clips, weights.values, entropy_split)
    capped = {"rollout_cap": weights.capped, "teacher_ratio_cap": advantage.capped & mask}
    acted = {name: hit for name, hit in capped.items() if name in spec.clips.on} | loss.clipped
    return Sampled(loss.per_token, reference, advantage.values, weights, acted)
