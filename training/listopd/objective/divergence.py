"""Exact losses over the whole vocabulary: what the sampled policy gradient estimates, without its noise.

The target is the normalised p^lambda b^(1 - lambda) of teacher p and base b (without a base: p^lambda). With a cap on
teacher/student there is no target to be near; `expected_capped` is then the expectation of the sampled objective.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from listopd.objective.advantage import log_cap
from listopd.objective.log_probs import FLOOR, log_probs
from listopd.objective.spec import Divergence, ObjectiveSpec


def divergence(
    student_logits: Tensor,
    teacher_logits: Tensor,
    base_logits: Tensor | None,
    lam: float | Tensor,
    spec: ObjectiveSpec,
) -> Tensor:
    """Loss [N] in nats of each position, from logits [N, V] at `spec.temperature`; `lam` is a number or [N].

    Only the student gets a gradient. Raises ValueError for `sampled`, which is no function of logits.
    """
    if spec.divergence not in DIVERGENCES:
        raise ValueError(f"divergence {spec.divergence} is a policy gradient: use policy_loss")
    target = target_log_probs(teacher_logits, base_logits, lam)
    return DIVERGENCES[spec.divergence](log_probs(student_logits), target, spec)


def target_log_probs(teacher_logits: Tensor, base_logits: Tensor | None, lam: float | Tensor) -> Tensor:
    """Log of the normalised p^lambda b^(1 - lambda) [N, V], detached fp32."""
    step = lam.unsqueeze(-1) - 1 if isinstance(lam, Tensor) else lam - 1
    teacher = log_probs(teacher_logits.detach())
    beyond = teacher if base_logits is None else teacher - log_probs(base_logits.detach())
    # At lambda = 1 this normalises a second time, which moves log-probabilities by one rounding.
    return log_probs(teacher + step * beyond)


class Capped(NamedTuple):
    """[N]: the loss, and the student's probability of the tokens on which the cap acted."""

    loss: Tensor
    acted: Tensor


def expected_capped(
    student_logits: Tensor,
    teacher_logits: Tensor,
    base_logits: Tensor | None,
    lam: float | Tensor,
    cap: float | Tensor,
) -> Capped:
    """The capped objective in expectation: -sum_y sg(pi_y A_y) log pi_y, from logits [N, V].

    `lam` and `cap` are numbers or [N].

    A_y = min(log p_y - log pi_y, log cap) + (lambda - 1)(log p_y - log b_y), as of every sampled token. It tells what
    the cap does to the objective from what sampling does (ours). Its value is that of the sampled loss, -E[A].
    """
    student = log_probs(student_logits)
    detached, teacher = student.detach(), log_probs(teacher_logits.detach())
    beyond = teacher if base_logits is None else teacher - log_probs(base_logits.detach())
    step = lam.unsqueeze(-1) - 1 if isinstance(lam, Tensor) else lam - 1
    gap, limit = teacher - detached, log_cap(cap.unsqueeze(-1) if isinstance(cap, Tensor) else cap)
    gain = detached.exp() * (gap.clamp(max=limit) + step * beyond)
    # The value of the weights is 1, their gradient that of log pi.
    loss = -(gain * torch.exp(student - detached)).sum(-1)
    return Capped(loss, (detached.exp() * (gap > limit)).sum(-1))


def _kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def _reverse_kl(student: Tensor, target: Tensor, spec: ObjectiveSpec) -> Tensor:
    """KL(student || target): mode-seeking, the expectation of the sampled objective."""
    return _kl(student, target)


def _forward_kl(student: Tensor, target: Tensor, spec: ObjectiveSpec) -> Tensor:
    """KL(target || student): mass-covering."""
    return _kl(target, student)


def _jensen_shannon(student: Tensor, target: Tensor, spec: ObjectiveSpec) -> Tensor:
    """Generalised Jensen-Shannon divergence of GKD (arXiv 2306.13649) with M = beta target + (1 - beta) student."""
    beta = spec.beta
    assert beta is not None, "refused by the spec"
    mixture = torch.logaddexp(target + math.log(beta), student + math.log1p(-beta))
    return beta * _kl(target, mixture) + (1 - beta) * _kl(student, mixture)


def _top_k(student: Tensor, target: Tensor, spec: ObjectiveSpec) -> Tensor:
    """Reverse KL on the target's k most probable tokens, the rest as one bucket unless `tail` is off.

    Merging tokens can only shrink a KL: with the bucket 0 <= loss <= the full reverse KL. Without it the loss
    may be negative, and mass that leaves the k tokens costs nothing.
    """
    assert spec.top_k is not None, "refused by the spec"
    support = target.topk(min(spec.top_k, target.shape[-1]), dim=-1).indices
    parts = [(x.gather(-1, support), x.scatter(-1, support, FLOOR)) for x in (student, target)]
    if not spec.tail:
        return _kl(parts[0][0], parts[1][0])
    # The bucket is summed, not taken as 1 - the rest, which cancels where the k tokens hold nearly everything.
    merged = [torch.cat([head, rest.logsumexp(-1, keepdim=True)], dim=-1) for head, rest in parts]
    return _kl(merged[0], merged[1])


DIVERGENCES: dict[Divergence, Callable[[Tensor, Tensor, ObjectiveSpec], Tensor]] = {
    "rkl": _reverse_kl,
    "fkl": _forward_kl,
    "gjsd": _jensen_shannon,
    "rkl_topk": _top_k,
}
