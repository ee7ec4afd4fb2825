"""The head's products, summed up and kept in float32 also where their factors are bfloat16.

A product that is rounded to bfloat16 loses what a near-deterministic token is about: around a logit of 20 the steps
between numbers are 1/8. Rounding once more, it also draws entropy down over a few dozen updates (TRL met this in
chunked products). Teacher, base and student all come through here.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

_NARROW = (torch.bfloat16, torch.float16)


def head_logits(head: nn.Module, states: torch.Tensor) -> torch.Tensor:
    """`[N, V]` from `[N, H]`: float32 from a plain linear head; whatever another kind of head gives."""
    narrow = _narrow(states, head) if type(head) is nn.Linear else None
    if narrow is None:
        logits: torch.Tensor = head(states)
        return logits
    with torch.autocast(states.device.type, enabled=False):
        product: torch.Tensor = _Product.apply(states.to(narrow), head.weight.to(narrow))
        return product if head.bias is None else product + head.bias.float()


def _narrow(states: torch.Tensor, head: nn.Module) -> torch.dtype | None:
    """The type that the factors are rounded to, or None where they are wide: autocast's, else that of the weights."""
    kind = states.device.type
    if torch.is_autocast_enabled(kind):
        return torch.get_autocast_dtype(kind)
    dtype = next(head.parameters()).dtype
    return dtype if dtype in _NARROW else None


class _Product(torch.autograd.Function):  # type: ignore[misc]
    """states @ weight.T of narrow factors, in float32 forwards; backwards as autocast has it."""

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(states, weight)
        return _wide_product(states, weight.T)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        states, weight = ctx.saved_tensors
        narrow = grad.to(states.dtype)
        to_states = narrow @ weight if ctx.needs_input_grad[0] else None
        return to_states, narrow.T @ states if ctx.needs_input_grad[1] else None


def _wide_product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """`left @ right` in float32: a GPU has that product; a CPU multiplies the widened factors, which is the same."""
    if left.is_cuda:
        return torch.mm(left, right, out_dtype=torch.float32)
    return left.float() @ right.float()
