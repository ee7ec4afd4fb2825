"""The base-relative advantage: lambda changes the reference, never the loss.

On-policy distillation rewards a sampled token with T - S, the log-probabilities under teacher and student.
Extrapolation (G-OPD, arXiv 2602.12125; arXiv 2605.08737, Eq. 2) replaces T by lambda T - (lambda - 1) B:

    A = lambda T - (lambda - 1) B - S = (T - S) + (lambda - 1)(T - B)

At a fixed prefix the expectation of A grad log pi is the negative gradient of KL(pi || q), where q is the
normalised p^lambda b^(1 - lambda). Only the token's own log-ratio counts, no return-to-go: over a whole
answer this is a biased gradient of the sequence-level KL, of far lower variance (arXiv 2603.25562).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor


class Advantage(NamedTuple):
    """`values` in nats, detached fp32; `capped` is true where the cap on teacher/student acted."""

    values: Tensor
    capped: Tensor


def extrapolated_advantage(
    student: Tensor,
    teacher: Tensor,
    base: Tensor | None,
    lam: float | Tensor,
    *,
    ratio_cap: float | Tensor | None = None,
    offset: float = 0.0,
) -> Advantage:
    """The advantage of each sampled token, from log-probabilities [B, T]; padding may hold anything.

    `lam` is one number or one a token. Without a base, -`offset` stands for its log-probability: 0 gives
    lambda T - S, the log of the vocabulary size a uniform base. `ratio_cap` (ours), one or one a token, bounds the
    factor teacher/student, so T - S becomes min(T - S, log c): the objective that has a threshold in closed form.
    """
    student, teacher = student.detach().float(), teacher.detach().float()
    # Not lambda T - (lambda - 1) B - S: this order is bitwise T - S at lambda = 1 and avoids a difference of
    # two large terms.
    gap = teacher - student
    limit = log_cap(ratio_cap)
    values = gap.clamp(max=limit) + _extrapolation(teacher, base, lam, offset)
    return Advantage(values, gap > limit)


def log_cap(cap: float | Tensor | None) -> float | Tensor:
    """The bound on a log-ratio that a cap on the ratio sets: infinite without one."""
    if isinstance(cap, Tensor):
        return cap.log()
    return math.inf if cap is None else math.log(cap)


def combined_reference(teacher: Tensor, base: Tensor | None, lam: float | Tensor) -> Tensor:
    """lambda T - (lambda - 1) B [B, T], detached fp32: what a framework with one teacher slot is given."""
    teacher = teacher.detach().float()
    return teacher + _extrapolation(teacher, base, lam, 0.0)


def _extrapolation(teacher: Tensor, base: Tensor | None, lam: float | Tensor, offset: float) -> Tensor:
    beyond = teacher + offset if base is None else teacher - base.detach().float()
    return (beyond * (lam - 1)).float()
