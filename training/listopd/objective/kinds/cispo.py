"""CISPO (MiniMax-M1, arXiv 2506.13585): clip the importance weight, never the gradient of a token."""

from __future__ import annotations

from torch import Tensor

from listopd.objective.kinds.rule import Bounds, Factor


def cispo(ratio: Tensor, advantage: Tensor, bounds: Bounds) -> Factor:
    """The ratio held within the bounds, whatever the sign of the advantage: no token drops out."""
    high, low = ratio > bounds.upper, ratio < bounds.lower
    return Factor(ratio.clamp(bounds.lower, bounds.upper), {"epsilon_high": high, "epsilon_low": low})
