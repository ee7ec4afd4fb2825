"""What the algorithms have in common: the bounds they are given and the factor they return."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class Bounds(NamedTuple):
    """Limits of the ratio, one number or one a token [B, T]; infinite (or 0, below) where a clip is off."""

    lower: float | Tensor
    upper: float | Tensor
    dual: float


class Factor(NamedTuple):
    """`values` [B, T] multiply A grad log pi; `clipped` says where each clip, by its name in ClipSpec, acted."""

    values: Tensor
    clipped: dict[str, Tensor]


Rule = Callable[[Tensor, Tensor, Bounds], Factor]
"""(ratio current/old, advantage, bounds) -> factor; all detached fp32 [B, T]."""
