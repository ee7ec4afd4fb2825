"""What the objective must equal: nothing at all, plain distillation, or the gradient of an exact divergence."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from listopd.objective.advantage import extrapolated_advantage
from listopd.objective.aggregate import aggregate
from listopd.objective.divergence import divergence
from listopd.objective.policy import KINDS, policy_loss
from listopd.objective.spec import ClipSpec, Kind, ObjectiveSpec

V = 7
LAMBDAS = [0.0, 0.5, 1.0, 1.25, 2.5]
EXACT: list[dict[str, Any]] = [
    {"divergence": "rkl"},
    {"divergence": "fkl"},
    {"divergence": "gjsd", "beta": 0.3},
    {"divergence": "rkl_topk", "top_k": 3},
]


def _row(seed: int) -> Tensor:
    return 2 * torch.randn(V, generator=torch.Generator().manual_seed(seed))


def _gradient(loss: Tensor, logits: Tensor) -> Tensor:
    [gradient] = torch.autograd.grad(loss, logits)
    return gradient


def _enumerated_gradient(logits: Tensor, advantage: Tensor, kind: Kind = "reinforce") -> Tensor:
    """Gradient of the expected policy loss: every token of the vocabulary, weighted by its probability."""
    logp = logits.log_softmax(-1)[None]
    mask = torch.ones_like(logp, dtype=torch.bool)
    loss = policy_loss(logp, logp, advantage[None], mask, kind, ClipSpec()).per_token
    return _gradient((logp.detach().exp() * loss).sum(), logits)


def _true_reverse_kl_gradient(student: Tensor, teacher: Tensor, base: Tensor, lam: float) -> Tensor:
    """Independent of our code: float64, torch.distributions, logits of the target."""
    logits = student.detach().double().requires_grad_()
    target = lam * teacher.double().log_softmax(-1) + (1 - lam) * base.double().log_softmax(-1)
    policy, goal = (torch.distributions.Categorical(logits=x) for x in (logits, target))
    return _gradient(torch.distributions.kl_divergence(policy, goal), logits).float()


@given(st.integers(0, 10**6), st.sampled_from(LAMBDAS), st.sampled_from(list(KINDS)))
def test_expected_policy_gradient_is_that_of_the_reverse_kl_to_the_extrapolated_target(
    seed: int, lam: float, kind: Kind
) -> None:
    student, teacher, base = (_row(seed + k) for k in range(3))
    s, t, b = (x.log_softmax(-1) for x in (student, teacher, base))
    advantage = extrapolated_advantage(s, t, b, lam).values
    expected = _true_reverse_kl_gradient(student, teacher, base, lam)
    torch.testing.assert_close(
        _enumerated_gradient(student.requires_grad_(), advantage, kind), expected, atol=2e-5, rtol=1e-5
    )


@given(st.integers(0, 10**6), st.sampled_from(LAMBDAS))
def test_the_exact_reverse_kl_has_the_same_gradient(seed: int, lam: float) -> None:
    student, teacher, base = (_row(seed + k) for k in range(3))
    logits = student.clone().requires_grad_()
    loss = divergence(logits[None], teacher[None], base[None], lam, ObjectiveSpec(divergence="rkl"))
    expected = _true_reverse_kl_gradient(student, teacher, base, lam)
    torch.testing.assert_close(_gradient(loss.sum(), logits), expected, atol=2e-5, rtol=1e-5)


def test_lambda_zero_pulls_to_the_base_and_forgets_the_teacher() -> None:
    student, base = _row(0).requires_grad_(), _row(2)
    s, b = student.log_softmax(-1), base.log_softmax(-1)
    advantage = extrapolated_advantage(s, _row(1).log_softmax(-1), b, 0.0).values
    torch.testing.assert_close(advantage, b - s.detach(), atol=1e-5, rtol=0)
    step = student - _enumerated_gradient(student, advantage)
    kl = [torch.distributions.kl_divergence(*(torch.distributions.Categorical(logits=x) for x in (y, base)))
          for y in (student, step)]  # fmt: skip
    assert kl[1] < kl[0]


def test_average_of_sampled_gradients_is_the_full_vocabulary_gradient() -> None:
    """200,000 sampled tokens against the exact loss, in units of the standard error of each coordinate."""
    generator = torch.Generator().manual_seed(0)
    student, teacher, base = (_row(k) for k in range(3))
    s, t, b = (x.log_softmax(-1) for x in (student, teacher, base))
    tokens = torch.multinomial(s.exp(), 200_000, replacement=True, generator=generator)
    advantage = extrapolated_advantage(s[tokens], t[tokens], b[tokens], 1.25).values
    logits = student.clone().requires_grad_()
    logp = logits.log_softmax(-1)[tokens][None]
    mask = torch.ones_like(logp, dtype=torch.bool)
    per_token = policy_loss(logp, logp, advantage[None], mask, "reinforce", ClipSpec()).per_token
    sampled = _gradient(aggregate(per_token, mask, "token_mean", len(tokens)), logits)
    each = -advantage[:, None] * (nn.functional.one_hot(tokens, V) - s.exp())
    error = each.std(0) / len(tokens) ** 0.5
    exact = _true_reverse_kl_gradient(student, teacher, base, 1.25)
    assert ((sampled - exact).abs() < 4 * error).all()
    assert (exact.abs() > 8 * error).any(), "the errors are too large for this test to tell anything"


def _net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(V, 16), nn.Linear(16, V))


@pytest.mark.parametrize("lam", LAMBDAS)
@pytest.mark.parametrize("kind", get_args(Kind))
def test_three_equal_models_give_no_advantage_and_leave_the_weights_as_they_are(kind: Kind, lam: float) -> None:
    student, teacher, base = _net(), _net(), _net()
    before = [w.clone() for w in student.parameters()]
    optimiser = torch.optim.AdamW(student.parameters(), lr=1.0, weight_decay=0.0)
    tokens = torch.randint(V, (3, 5), generator=torch.Generator().manual_seed(1))
    s, t, b = (m(tokens).log_softmax(-1).gather(-1, tokens[..., None])[..., 0] for m in (student, teacher, base))
    mask = torch.ones_like(tokens, dtype=torch.bool)
    advantage = extrapolated_advantage(s, t, b, lam).values
    assert torch.equal(advantage, torch.zeros_like(advantage))
    aggregate(policy_loss(s, s, advantage, mask, kind, ClipSpec()).per_token, mask, "token_mean", 15).backward()
    optimiser.step()
    assert all(torch.equal(w, was) for w, was in zip(student.parameters(), before, strict=True))


@pytest.mark.parametrize("values", EXACT, ids=lambda values: values["divergence"])
def test_three_equal_models_are_a_minimum_of_every_exact_divergence(values: dict[str, Any]) -> None:
    logits = (5 * torch.randn(64, V, generator=torch.Generator().manual_seed(3))).requires_grad_()
    loss = divergence(logits, logits, logits, 1.6, ObjectiveSpec.model_validate(values))
    assert loss.abs().max() < 1e-6
    # Zero on paper; what is left is the rounding of a softmax that does not sum to one exactly.
    assert _gradient(loss.sum(), logits).abs().max() < 1e-6


def test_all_kinds_have_bitwise_one_gradient_while_the_ratio_is_one() -> None:
    """So a difference between them needs several updates per rollout, whatever the clips."""
    logits = torch.randn(4, 6, V, generator=torch.Generator().manual_seed(4), requires_grad=True)
    tokens = torch.randint(V, (4, 6), generator=torch.Generator().manual_seed(5))
    logp = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    advantage = torch.randn(4, 6, generator=torch.Generator().manual_seed(6))
    mask = torch.rand(4, 6, generator=torch.Generator().manual_seed(7)) > 0.3
    clips = ClipSpec(epsilon_low=0.2, epsilon_high=0.2, dual=3.0)
    losses = [policy_loss(logp, logp.detach(), advantage, mask, kind, clips) for kind in get_args(Kind)]
    gradients = [torch.autograd.grad(loss.per_token.sum(), logits, retain_graph=True)[0] for loss in losses]
    assert gradients[0].abs().sum() > 0
    assert all(torch.equal(gradients[0], other) for other in gradients[1:])
    assert not any(hit.any() for loss in losses for hit in loss.clipped.values())


def test_back_propagating_through_the_log_ratio_teaches_nothing() -> None:
    """The k1 trap: on the policy's own samples the gradient of mean(S - T) is zero and the teacher drops out."""
    student, teacher = _row(0).requires_grad_(), _row(1)
    s, t = student.log_softmax(-1), teacher.log_softmax(-1)
    trap = _gradient((s.detach().exp() * (s - t)).sum(), student)
    assert trap.abs().max() < 1e-6
    s = student.log_softmax(-1)
    ours = _enumerated_gradient(student, extrapolated_advantage(s, t, None, 1.0).values)
    assert ours.abs().max() > 0.1
