"""The policy-gradient loss: all algorithms differ only in the factor they give to A grad log pi.

The loss of a token is -A f w u. `f` is the algorithm's factor (`kinds`), `w` the trainer/rollout weight; both
are constants. u = exp(log pi - stop_gradient(log pi)) has the value 1 and the gradient grad log pi. So the
value of the loss is the mean of -A f w, which at one update per rollout and lambda = 1 estimates the reverse
KL to the teacher. Clipped tokens have the value 0, not the constant that PPO is usually written with.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from listopd.objective.kinds.aspo import aspo
from listopd.objective.kinds.cispo import cispo
from listopd.objective.kinds.ppo import ppo
from listopd.objective.kinds.reinforce import reinforce
from listopd.objective.kinds.rule import Bounds, Rule
from listopd.objective.spec import ClipSpec, Kind
from listopd.objective.weights import bounded_ratio

KINDS: dict[Kind, Rule] = {"reinforce": reinforce, "ppo": ppo, "aspo": aspo, "cispo": cispo}


class PolicyLoss(NamedTuple):
    """Loss [B, T], 0 on padding, and where each clip that is on acted, by its name in ClipSpec."""

    per_token: Tensor
    clipped: dict[str, Tensor]


def policy_loss(
    logp: Tensor,
    old: Tensor,
    advantage: Tensor,
    mask: Tensor,
    kind: Kind,
    clips: ClipSpec,
    weight: Tensor | None = None,
    entropy_split: Tensor | None = None,
) -> PolicyLoss:
    """Loss of each sampled token; all tensors are [B, T], and only `logp` carries a gradient.

    `old` is the log-probability when the answer was sampled: `logp` itself at one update per rollout.
    `entropy_split` is true on tokens of high entropy. Raises ValueError unless it is given exactly when
    `clips.epsilon_at_high_entropy` is set.
    """
    # Padding may hold anything, infinities too: filled before any arithmetic, it cannot reach a gradient.
    logp, old, advantage = (x.float().masked_fill(~mask, 0.0) for x in (logp, old.detach(), advantage.detach()))
    ratio = bounded_ratio(logp.detach() - old)
    factor = KINDS[kind](ratio, advantage, _bounds(clips, entropy_split))
    gain = advantage * factor.values
    if weight is not None:
        gain = gain * weight.detach().masked_fill(~mask, 1.0)
    per_token = -gain * torch.exp(logp - logp.detach())
    return PolicyLoss(per_token, {name: hit for name, hit in factor.clipped.items() if name in clips.on})


def _bounds(clips: ClipSpec, split: Tensor | None) -> Bounds:
    wide = clips.epsilon_at_high_entropy
    if (wide is None) != (split is None):
        raise ValueError("entropy_split and clips.epsilon_at_high_entropy go together")
    lower: float | Tensor = 0.0 if clips.epsilon_low is None else 1 - clips.epsilon_low
    upper: float | Tensor = math.inf if clips.epsilon_high is None else 1 + clips.epsilon_high
    if wide is not None and split is not None:
        lower, upper = torch.where(split, 1 - wide, lower), torch.where(split, 1 + wide, upper)
    return Bounds(lower, upper, math.inf if clips.dual is None else clips.dual)
