"""REINFORCE (Williams, 1992): the plain policy gradient, blind to how far the policy has moved."""

from __future__ import annotations

import torch
from torch import Tensor

from listopd.objective.kinds.rule import Bounds, Factor


def reinforce(ratio: Tensor, advantage: Tensor, bounds: Bounds) -> Factor:
    """Factor 1 everywhere."""
    return Factor(torch.ones_like(ratio), {})
