"""AdamW with the schedule of the recipe, and the check that keeps NaN out of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from listeval.errors import UserError

if TYPE_CHECKING:
    from listopd.recipe import Optimiser


def make_optimiser(parameters: Iterable[torch.nn.Parameter], spec: Optimiser) -> torch.optim.AdamW:
    """AdamW over what requires a gradient; matrices decay, vectors (norms, biases) do not."""
    learning = [parameter for parameter in parameters if parameter.requires_grad]
    groups = [
        {"params": [p for p in learning if p.dim() >= 2], "weight_decay": spec.weight_decay},
        {"params": [p for p in learning if p.dim() < 2], "weight_decay": 0.0},
    ]
    fused = all(parameter.is_cuda for parameter in learning)
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=spec.lr, betas=spec.betas, fused=fused)


def learning_rate(spec: Optimiser, step: int, steps: int) -> float:
    """The rate of the 0-based `step` of `steps`."""
    warm = min(1.0, (step + 1) / spec.warmup) if spec.warmup else 1.0
    if spec.schedule == "constant":
        return spec.lr * warm
    done = max(0, step - spec.warmup) / max(1, steps - spec.warmup)
    return spec.lr * warm * 0.5 * (1 + math.cos(math.pi * done))


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give every group of parameters this learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate


class NotFinite(UserError):
    """A number that is none; the weights are untouched."""


def check_finite(name: str, value: float, step: int) -> None:
    """Raises NotFinite for a number of the 0-based `step` that is none, before it reaches the weights."""
    if not math.isfinite(value):
        cause = f"the {name} is {value} in step {step + 1}, so this update was not made"
        raise NotFinite(cause, place="training", fix="a smaller learning rate, float32, or check the models for NaN")
