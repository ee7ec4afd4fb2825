"""Exact divergences against torch.distributions in double precision, and the bounds of the top-k form."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Categorical, kl_divergence

from listopd.objective.advantage import extrapolated_advantage
from listopd.objective.divergence import DIVERGENCES, divergence, expected_capped, target_log_probs
from listopd.objective.policy import policy_loss
from listopd.objective.spec import ClipSpec, Divergence, ObjectiveSpec
from listopd.threshold import clip_boundary, lambda_star

RKL = ObjectiveSpec(divergence="rkl")


def _rows(seed: int, n: int = 5, v: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    student, teacher, base = (4 * torch.randn(n, v, generator=generator) for _ in range(3))
    return student, teacher, base


def _target(teacher: Tensor, base: Tensor, lam: float) -> Categorical:
    """From probabilities, not logits: powers and their product, normalised by Categorical."""
    p, b = (x.double().softmax(-1) for x in (teacher, base))
    return Categorical(logits=(p**lam * b ** (1 - lam)).log())


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.7, 1.0, 1.25, 2.0]))
def test_values_are_those_of_double_precision(seed: int, lam: float) -> None:
    student, teacher, base = _rows(seed)
    policy, goal = Categorical(logits=student.double()), _target(teacher, base, lam)
    mixture = Categorical(logits=(0.3 * goal.probs + 0.7 * policy.probs).log())
    expected = {
        RKL: kl_divergence(policy, goal),
        ObjectiveSpec(divergence="fkl"): kl_divergence(goal, policy),
        ObjectiveSpec(divergence="gjsd", beta=0.3): 0.3 * kl_divergence(goal, mixture)
        + 0.7 * kl_divergence(policy, mixture),
    }
    for spec, value in expected.items():
        ours = divergence(student, teacher, base, lam, spec)
        torch.testing.assert_close(ours.double(), value, atol=2e-5, rtol=2e-5)


@given(st.integers(0, 10**6), st.integers(1, 12))
def test_top_k_with_a_tail_lies_between_zero_and_the_full_divergence(seed: int, k: int) -> None:
    student, teacher, base = _rows(seed)
    full = divergence(student, teacher, base, 1.25, RKL)
    top = divergence(student, teacher, base, 1.25, ObjectiveSpec(divergence="rkl_topk", top_k=k))
    assert (top >= -1e-5).all()
    assert (top <= full + 1e-5).all()
    if k >= 11:
        torch.testing.assert_close(top, full, atol=1e-5, rtol=1e-5)


def test_top_k_without_its_tail_can_be_negative_and_so_rewards_leaving_the_support() -> None:
    teacher, student = torch.tensor([[5.0, 0.0, 0.0, 0.0]]), torch.tensor([[0.0, 5.0, 5.0, 5.0]])
    bare = divergence(student, teacher, None, 1.0, ObjectiveSpec(divergence="rkl_topk", top_k=1, tail=False))
    assert bare.item() < 0
    assert divergence(student, teacher, None, 1.0, ObjectiveSpec(divergence="rkl_topk", top_k=1)).item() > 1


def test_the_tail_survives_where_the_top_holds_nearly_everything() -> None:
    """A tail of 1e-9: as 1 - top it would round to 0 and its logarithm to -inf."""
    student = torch.tensor([[0.0, -21.0, -21.0]], requires_grad=True)
    teacher = torch.tensor([[0.0, -25.0, -25.0]])
    loss = divergence(student, teacher, None, 1.0, ObjectiveSpec(divergence="rkl_topk", top_k=1))
    [gradient] = torch.autograd.grad(loss.sum(), student)
    p, q = (2 * math.exp(x) for x in (-21, -25))
    assert gradient[0, 1].item() == pytest.approx(p / 2 * (math.log(p / q) - (p * 4 - p + q)), rel=1e-2)


def test_lambda_may_differ_by_row_and_no_base_means_a_uniform_one() -> None:
    student, teacher, base = _rows(1)
    lam = torch.tensor([0.0, 1.0, 1.2, 1.5, 2.0])
    rows = [divergence(s[None], t[None], b[None], x.item(), RKL)
            for s, t, b, x in zip(student, teacher, base, lam, strict=True)]  # fmt: skip
    torch.testing.assert_close(divergence(student, teacher, base, lam, RKL), torch.cat(rows))
    torch.testing.assert_close(
        target_log_probs(teacher, None, 1.4), target_log_probs(teacher, torch.zeros_like(base), 1.4)
    )


def test_only_the_student_learns() -> None:
    student, teacher, base = (x.requires_grad_() for x in _rows(2))
    divergence(student, teacher, base, 1.2, RKL).sum().backward()
    assert student.grad is not None
    assert (teacher.grad, base.grad) == (None, None)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_vocabulary_entries_masked_in_all_models_change_nothing(name: Divergence) -> None:
    spec = ObjectiveSpec(divergence=name, top_k=3 if name == "rkl_topk" else None, beta=0.5 if name == "gjsd" else None)
    rows = _rows(3)
    padded = [torch.cat([x, torch.full((5, 4), -float("inf"))], -1).requires_grad_() for x in rows]
    loss = divergence(*padded, 1.3, spec)
    torch.testing.assert_close(loss, divergence(*rows, 1.3, spec))
    [gradient] = torch.autograd.grad(loss.sum(), padded[0])
    assert gradient.isfinite().all()
    assert (gradient[:, 12:] == 0).all()


def test_half_precision_logits_keep_the_signal_of_a_near_deterministic_row() -> None:
    """A row in bf16: modal logit 20, a hundred at 12, a vocabulary of 151,936; all exact in bf16."""
    logits = torch.full((1, 151_936), -20.0, dtype=torch.bfloat16)
    logits[0, 0], logits[0, 1:101] = 20.0, 12.0
    modal = -math.log1p(100 * math.exp(-8))
    naive = logits - logits.logsumexp(-1, keepdim=True)
    assert naive[0, 0] == 0, "the trap that this test is about is gone"
    assert target_log_probs(logits, None, 1.0)[0, 0].item() == pytest.approx(modal, rel=1e-4)
    sharper = logits.clone()
    sharper[0, 1:101] = 11.0
    expected = modal - (-math.log1p(100 * math.exp(-9)))
    expected = math.exp(modal) * expected + (1 - math.exp(modal)) * (expected + 1)
    assert divergence(logits, sharper, None, 1.0, RKL).item() == pytest.approx(expected, rel=1e-3)


def test_sampled_is_no_function_of_logits_and_all_others_are_there() -> None:
    with pytest.raises(ValueError, match="policy_loss"):
        divergence(*_rows(0), 1.0, ObjectiveSpec())
    assert {"sampled", *DIVERGENCES} == set(get_args(Divergence))


def _gradient(loss, student: Tensor) -> Tensor:
    leaf = student.double().requires_grad_()
    loss(leaf).sum().backward()
    return leaf.grad


@given(st.integers(0, 10**6), st.sampled_from([1.0, 1.25, 3.0]), st.sampled_from([1.5, 5.0]), st.booleans())
def test_the_capped_objective_in_expectation_is_the_mean_of_the_sampled_one(
    seed: int, lam: float, cap: float, has_base: bool
) -> None:
    student, teacher, base = (x.double() for x in _rows(seed))
    against = base if has_base else None
    probabilities = student.softmax(-1)

    def sampled(leaf: Tensor) -> Tensor:
        """Every token of the vocabulary as if sampled, weighed by how often it is; the loss as training makes it."""
        log_p = leaf.log_softmax(-1)
        away = base.log_softmax(-1) if has_base else None
        advantage = extrapolated_advantage(log_p, teacher.log_softmax(-1), away, lam, ratio_cap=cap)
        mask = torch.ones(log_p.shape, dtype=torch.bool)
        loss = policy_loss(log_p, log_p.detach(), advantage.values, mask, "reinforce", ClipSpec())
        return (probabilities * loss.per_token).sum(-1)

    ours = expected_capped(student, teacher, against, lam, cap)
    torch.testing.assert_close(ours.loss, sampled(student).float(), atol=1e-4, rtol=1e-4)
    gradients = [
        _gradient(f, student) for f in (lambda x: expected_capped(x, teacher, against, lam, cap).loss, sampled)
    ]
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-4)
    over = (teacher.log_softmax(-1) - student.log_softmax(-1)) > math.log(cap)
    torch.testing.assert_close(ours.acted, (probabilities * over).sum(-1).float(), atol=1e-5, rtol=1e-4)


def test_without_a_cap_that_acts_its_gradient_is_that_of_the_reverse_kl() -> None:
    student, teacher, base = _rows(3)
    capped = _gradient(lambda x: expected_capped(x, teacher, base, 1.5, 1e9).loss, student)
    exact = _gradient(lambda x: divergence(x, teacher, base, 1.5, RKL), student)
    torch.testing.assert_close(capped, exact, atol=1e-5, rtol=1e-4)
    lam = torch.full((len(student),), 1.5)
    each = _gradient(lambda x: expected_capped(x, teacher, base, lam, 1e9).loss, student)
    torch.testing.assert_close(each, capped)


def test_the_cap_lets_go_beyond_the_boundary_of_the_closed_form() -> None:
    """Two tokens: at the clip-safe boundary 1 - (1-p)/c the net pull on log-odds is 0 just at λ*, above it outwards."""
    p, b, c = 0.99, 0.8, 5.0
    star, theta = lambda_star(p, b, c), clip_boundary(p, c)
    teacher, base, student = (torch.tensor([[math.log(q / (1 - q)), 0.0]]) for q in (p, b, theta))
    for lam, outwards in ((star - 0.02, False), (star + 0.02, True)):
        pull = -_gradient(lambda x, lam=lam: expected_capped(x, teacher, base, lam, c).loss, student)[0, 0]
        assert (float(pull) > 0) is outwards
