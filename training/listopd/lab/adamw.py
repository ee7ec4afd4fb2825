"""AdamW over arms side by side: a learning rate and a gradient clip for each arm (arXiv 1711.05101)."""

from __future__ import annotations

import torch
from torch import Tensor

from listopd.lab.network import ALIGNED

BETAS, EPSILON, DECAY, CLIP = (0.9, 0.999), 1e-8, 0.01, 1.0


class AdamW:
    """Moments of weights [A, P], which `step` changes in place; the arms' rates may differ, their step counts not.

    An arm whose gradient is no number keeps its weights, and `failed` [A] counts how often that was so.
    """

    def __init__(self, flat: Tensor, steps: int = 0) -> None:
        self.flat, self.steps = flat, steps
        self.first, self.second = torch.zeros_like(flat), torch.zeros_like(flat)
        self.failed = torch.zeros(len(flat), dtype=torch.long, device=flat.device)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, gradient: Tensor, rate: Tensor) -> Tensor:
        """Update every arm by its gradient [A, P] at its rate [A]; gives the norms [A] before the clip."""
        self.steps += 1
        norm = norms(gradient)
        sound = norm.isfinite()
        self.failed += ~sound
        gradient = gradient * (CLIP / (norm + 1e-6)).clamp(max=1.0).unsqueeze(1)
        gradient = torch.where(sound.unsqueeze(1), gradient, 0.0)
        self.first.lerp_(gradient, 1 - BETAS[0])
        self.second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        spread = (self.second / (1 - BETAS[1] ** self.steps)).sqrt_().add_(EPSILON)
        move = self.first / (1 - BETAS[0] ** self.steps) / spread + DECAY * self.flat
        self.flat.sub_(move * (rate * sound).unsqueeze(1))
        return norm


def norms(rows: Tensor) -> Tensor:
    """Euclidean norm [A] of each row of [A, P], in two stages, whose order no number of arms changes."""
    return rows.view(len(rows), ALIGNED, -1).square().sum(-1).sum(-1).sqrt()
