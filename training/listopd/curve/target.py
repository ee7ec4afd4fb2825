"""The distribution that extrapolation trains towards, p^λ b^(1-λ), as scores of the next token; and its reach.

A reverse-KL gradient weighs a token by the student's own probability, and the student starts at the base: what the base
hardly ever writes is hardly ever amplified, however far λ lies. The plain target knows nothing of that, and breaks in
tokens that no training realises. So beyond λ = 1 a token counts only where the base gives it a probability of `floor`
or more, or where it is the teacher's own first choice: just above λ = 1 decoding is then the teacher's, as at 1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from listeval.errors import UserError


class TargetArm(NamedTuple):
    """One target: its λ, and the floor on the base's probability of a token; a floor of 0 is the plain target."""

    lam: float
    floor: float = 0.0


def check_arm(arm: TargetArm) -> TargetArm:
    """The arm. Raises UserError for a λ that is negative or not finite, and for a floor outside [0, 1)."""
    if not (math.isfinite(arm.lam) and arm.lam >= 0):
        raise UserError(f"λ must be a number of 0 or more, not {arm.lam}", place="λ", fix="give numbers such as 1.2")
    if not 0 <= arm.floor < 1:
        raise UserError(f"the floor must be in [0, 1), not {arm.floor}", place="floor", fix="0 for none, or 0.0003")
    return arm


def target_scores(teacher: torch.Tensor, base: torch.Tensor, arm: TargetArm) -> torch.Tensor:
    """(N, V): the log of the target, not normalised, from log-probabilities (N, V) of teacher and base.

    -inf where a token is out of reach. At λ = 0 and λ = 1 these are the two models' own, exactly.
    """
    lam, floor = arm
    if lam in (0.0, 1.0):
        return teacher if lam else base
    scores = lam * teacher - (lam - 1) * base
    # Where the base has no probability at all, lam > 1 would amplify without bounds, and lam < 1 make inf - inf.
    out = torch.isneginf(base)
    if lam > 1 and floor > 0:
        out = out | (base < math.log(floor)).scatter(-1, teacher.argmax(-1, keepdim=True), False)
    return scores.masked_fill(out, -math.inf)
