"""ASPO (arXiv 2510.06062): good tokens are weighed by the inverse ratio.

With the plain ratio a good token that is already frequent is pushed hardest; the inverse pushes the rare ones.
Bad tokens are treated as in PPO, except that both sides of the dual clip are soft: the factor is capped and
the gradient stays.
"""

from __future__ import annotations

import torch
from torch import Tensor

from listopd.objective.kinds.rule import Bounds, Factor

QUANTILE = 0.8
"""Tokens above this quantile of their answer's entropies are of high entropy; fixed in the authors' code."""


def aspo(ratio: Tensor, advantage: Tensor, bounds: Bounds) -> Factor:
    """1/ratio for a good token and the ratio for a bad one, at most `dual`; 0 beyond the epsilons as in PPO."""
    good, bad = advantage > 0, advantage < 0
    high = good & (ratio > bounds.upper)
    low = bad & (ratio < bounds.lower)
    flipped = torch.where(good, 1 / ratio, ratio)
    dual = (good | bad) & (flipped > bounds.dual)
    values = flipped.clamp(max=bounds.dual).masked_fill(high | low, 0.0)
    return Factor(values, {"epsilon_high": high, "epsilon_low": low, "dual": dual})


def high_entropy(entropy: Tensor, mask: Tensor) -> Tensor:
    """True on the tokens [B, T] above the quantile of the entropies in their own answer."""
    known = entropy.detach().float().masked_fill(~mask, torch.nan)
    return known > known.nanquantile(QUANTILE, dim=-1, keepdim=True)
