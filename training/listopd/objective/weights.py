"""Truncated importance sampling between two engines that hold the same weights.

A rollout engine and the trainer round differently, so answers are sampled from a slightly other policy than
the one that is differentiated. The weight min(exp(old - rollout), cap) a token corrects for it. It has nothing
to do with the teacher, nor with how far an update has moved the student.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

EXPONENT = 20.0
"""Bound on log-ratios before they are exponentiated: e^20 is far beyond use and far below overflow."""


class Weights(NamedTuple):
    """Detached fp32 `values` (1 on padding), where the cap acted, and mean and max *before* the cap (scalars)."""

    values: Tensor
    capped: Tensor
    mean: Tensor
    max: Tensor


def importance_weight(old: Tensor, rollout: Tensor, cap: float | None, mask: Tensor) -> Weights:
    """Weights [B, T] from the trainer's and the rollout engine's log-probabilities of the sampled tokens.

    Mean and max are over the tokens of `mask`; they are 0 where there are none.
    """
    raw = bounded_ratio(old.detach().float() - rollout.detach().float()).masked_fill(~mask, 1.0)
    limit = math.inf if cap is None else cap
    kept = raw * mask
    mean = kept.sum() / mask.sum().clamp(min=1)
    return Weights(raw.clamp(max=limit), (raw > limit) & mask, mean, kept.max())


def bounded_ratio(log_ratio: Tensor) -> Tensor:
    """exp of a log-ratio that is first bounded to +-20."""
    return torch.exp(log_ratio.clamp(-EXPONENT, EXPONENT))
