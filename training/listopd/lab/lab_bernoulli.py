"""One structural position without a network: two symbols, trained by the lab's own objective from samples or exactly.

Where the capped objective saturates is found by simulation alone; `listopd.threshold.closed_form` says where it should
(λ*), and `listopd.threshold.bernoulli` follows the exact flow. Here a student of two logits takes small SGD steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from listeval.errors import UserError
from listopd.lab.chance import generator
from listopd.lab.losses import LOSSES, Rows, sampled_log_probs

STEPS = 10_000
_RATE = 2.0
_ARMS, _NEAREST, _HIGHEST = 96, 1e-3, 16.0


class Position(NamedTuple):
    """The modal symbol's probability under teacher and base, and the cap on teacher/student."""

    p: float
    b: float
    c: float


def saturation(
    cases: Sequence[Position], *, method: str = "expected", steps: int = STEPS, batch: int = 256, seed: int = 0
) -> list[float]:
    """The λ of each case from which the student ends outside the clip-safe region 1 - θ >= (1 - p)/c.

    `expected` takes the expectation over symbols, `listopd` a `batch` of sampled ones a step. Found by two rounds of
    trainings side by side, at λ between 1.001 and 16; infinite where none of them leaves the region. Raises UserError
    for p or b outside (0, 1) and for a c that is not a finite number above 1.
    """
    for case in cases:
        if not (0 < case.p < 1 and 0 < case.b < 1 and 1 < case.c < math.inf):
            raise UserError(f"{case} is no position with a cap", fix="p and b within (0, 1), c a number above 1")
    # Even steps in the logarithm of λ - 1, then in λ between the two neighbours that differ.
    coarse = 1 + torch.logspace(math.log10(_NEAREST), math.log10(_HIGHEST - 1), _ARMS, dtype=torch.float64)
    grids = coarse.expand(len(cases), -1)
    for _ in range(2):
        outside = _outside(cases, grids, method, steps, batch, seed)
        first = torch.where(outside.any(-1), outside.long().argmax(-1), _ARMS)
        high = torch.cat([grids, torch.full((len(cases), 1), math.inf)], dim=1).gather(1, first.unsqueeze(1))
        low = torch.cat([torch.ones(len(cases), 1), grids], dim=1).gather(1, first.unsqueeze(1))
        share = torch.linspace(0, 1, _ARMS, dtype=torch.float64)
        grids = torch.where(high.isinf(), coarse, low + share * (high.clamp(max=_HIGHEST) - low))
    return [float(value) for value in torch.where(high.isinf(), high, (low + high) / 2).flatten()]


def _outside(cases: Sequence[Position], lams: Tensor, method: str, steps: int, batch: int, seed: int) -> Tensor:
    modal = train(cases, lams, method, steps=steps, batch=batch, seed=seed)
    tail = torch.tensor([(1 - case.p) / case.c for case in cases], dtype=torch.float64)
    return 1 - modal < tail.unsqueeze(-1)


def train(
    cases: Sequence[Position], lams: Tensor, method: str, *, steps: int = STEPS, batch: int = 256, seed: int = 0
) -> Tensor:
    """θ [C, A] of the modal symbol after SGD from θ = b, at each λ [C, A]; all draw by the same uniform numbers."""
    arms = lams.numel()
    each = 1 if method == "expected" else batch
    p, b, c = (torch.tensor(column).repeat_interleave(arms // len(cases)) for column in zip(*cases, strict=True))
    odds = b.logit()
    teacher, base = (_two_logits(value.logit().repeat_interleave(each)) for value in (p, b))
    lam, cap = (value.repeat_interleave(each) for value in (lams.flatten().float(), c))
    chance, mask = generator("bernoulli", seed), torch.ones(arms * each, dtype=torch.bool)
    for _ in range(steps):
        leaf = odds.detach().requires_grad_()
        logits = _two_logits(leaf.repeat_interleave(each))
        drawn = torch.rand(each, generator=chance).repeat(arms)
        tokens = (drawn >= torch.softmax(logits.detach(), dim=-1)[:, 0]).long()
        old = sampled_log_probs(logits.detach(), tokens)
        loss = LOSSES[method](Rows(logits, teacher, base, tokens, old, lam, cap, mask)).per_token
        (loss.sum() / each).backward()
        assert leaf.grad is not None, "the loss depends on the log-odds"
        odds = odds - _RATE * leaf.grad
    return torch.sigmoid(odds.double()).view(lams.shape)


def _two_logits(odds: Tensor) -> Tensor:
    """[R, 2] of log-odds [R]: the modal symbol first."""
    return torch.stack([odds / 2, -odds / 2], dim=-1)
