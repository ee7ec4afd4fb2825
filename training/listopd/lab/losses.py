"""What each method makes of one token, in many arms at once: the trainer's own objective, with λ and c a row."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from listopd.objective.advantage import extrapolated_advantage, log_cap
from listopd.objective.divergence import divergence, expected_capped
from listopd.objective.log_probs import log_probs
from listopd.objective.policy import policy_loss
from listopd.objective.spec import ClipSpec, Kind, ObjectiveSpec

FIXED = -1.0
"""The advantage of every token in the control that knows no teacher."""
_EXACT = ObjectiveSpec(divergence="rkl")
_CLIPS: Mapping[Kind, ClipSpec] = {
    "reinforce": ClipSpec(),
    "aspo": ClipSpec(epsilon_low=0.2, epsilon_high=0.2, dual=3),
    "ppo": ClipSpec(epsilon_low=0.2, epsilon_high=0.2, dual=3),
}
"""Of arXiv 2510.06062 without its split by entropy; they act only where a rollout serves several updates."""


class Rows(NamedTuple):
    """Tokens of all arms: logits [R, V] of three networks, the sampled `tokens` [R], `old` log-probabilities [R] of
    the policy that sampled them, λ and c [R], and which rows are tokens of an answer.
    """

    student: Tensor
    teacher: Tensor
    base: Tensor
    tokens: Tensor
    old: Tensor
    lam: Tensor
    cap: Tensor
    mask: Tensor


class Losses(NamedTuple):
    """[R]: the loss of each row, anything on padding, and how far the cap acted there, from 0 to 1."""

    per_token: Tensor
    capped: Tensor


def sampled_log_probs(logits: Tensor, tokens: Tensor) -> Tensor:
    """[R]: of the sampled tokens."""
    return log_probs(logits).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


def _policy(rows: Rows, kind: Kind, *, based: bool = True) -> Losses:
    logp = sampled_log_probs(rows.student, rows.tokens)
    teacher = sampled_log_probs(rows.teacher, rows.tokens)
    base = sampled_log_probs(rows.base, rows.tokens) if based else None
    # The student in the advantage is the policy that answered, as the trainer has it by default.
    advantage = extrapolated_advantage(rows.old, teacher, base, rows.lam, ratio_cap=rows.cap)
    loss = policy_loss(logp, rows.old, advantage.values, rows.mask, kind, _CLIPS[kind])
    return Losses(loss.per_token, advantage.capped.float())


def _exact(rows: Rows) -> Losses:
    """The whole reverse divergence to the target; its cap is infinite, and where it would act is only counted."""
    loss = divergence(rows.student, rows.teacher, rows.base, rows.lam, _EXACT)
    gap = sampled_log_probs(rows.teacher, rows.tokens) - sampled_log_probs(rows.student.detach(), rows.tokens)
    return Losses(loss, (gap > log_cap(rows.cap)).float())


def _expected(rows: Rows) -> Losses:
    found = expected_capped(rows.student, rows.teacher, rows.base, rows.lam, rows.cap)
    return Losses(found.loss, found.acted)


def _fixed(rows: Rows) -> Losses:
    logp = sampled_log_probs(rows.student, rows.tokens)
    advantage = torch.full_like(logp, FIXED)
    loss = policy_loss(logp, rows.old, advantage, rows.mask, "reinforce", _CLIPS["reinforce"])
    return Losses(loss.per_token, torch.zeros_like(logp))


LOSSES: Mapping[str, Callable[[Rows], Losses]] = {
    "listopd": lambda rows: _policy(rows, "reinforce"),
    "opd": lambda rows: _policy(rows, "reinforce"),
    "ppo": lambda rows: _policy(rows, "ppo"),
    "aspo": lambda rows: _policy(rows, "aspo"),
    "no-base": lambda rows: _policy(rows, "reinforce", based=False),
    "exact": _exact,
    "expected": _expected,
    "fixed-negative": _fixed,
}
"""By the name of the method."""


def arm_means(values: Tensor, mask: Tensor, arms: int) -> Tensor:
    """[A]: mean over the tokens of each arm of [A ...] values; NaN for an arm without any."""
    rows, held = values.reshape(arms, -1), mask.reshape(arms, -1)
    return torch.where(held, rows, 0.0).sum(-1) / held.sum(-1)


def cap_tensor(caps: list[float]) -> Tensor:
    """[A] float32 from caps of which some are infinite."""
    assert all(cap > 1 or math.isinf(cap) for cap in caps), caps
    return torch.tensor(caps)
