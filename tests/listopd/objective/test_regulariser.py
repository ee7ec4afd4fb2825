"""The k3 estimator and the entropy, by enumeration."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical, kl_divergence

from listopd.objective.log_probs import log_probs
from listopd.objective.regulariser import entropy, kl_k3


def _gradient(loss: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    [gradient] = torch.autograd.grad(loss, logits)
    return gradient


@given(st.integers(0, 10**6))
def test_k3_estimates_one_direction_of_the_kl_and_as_a_loss_follows_the_other(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits, reference = (torch.randn(7, generator=generator) for _ in range(2))
    logits.requires_grad_()
    policy, anchor = Categorical(logits=logits), Categorical(logits=reference)
    estimate = kl_k3(policy.logits, anchor.logits)
    assert (estimate >= 0).all()
    expected = (policy.probs.detach() * estimate).sum()
    torch.testing.assert_close(expected.detach(), kl_divergence(policy, anchor).detach(), atol=1e-5, rtol=1e-4)
    towards = _gradient(kl_divergence(anchor, Categorical(logits=logits)), logits)
    torch.testing.assert_close(_gradient(expected, logits), towards, atol=1e-5, rtol=1e-4)


def test_k3_is_zero_with_zero_slope_at_the_reference_and_finite_far_away() -> None:
    logp = torch.tensor([-0.1, -5.0], requires_grad=True)
    at_home = kl_k3(logp, logp)
    assert torch.equal(at_home, torch.zeros(2))
    assert torch.equal(_gradient(at_home.sum(), logp), torch.zeros(2))
    assert kl_k3(torch.tensor([-500.0]), torch.tensor([0.0])).isfinite().all()


def test_k3_gives_the_reference_no_gradient() -> None:
    reference = torch.tensor([-1.0], requires_grad=True)
    assert not kl_k3(torch.tensor([-2.0]), reference).requires_grad


def test_entropy_of_known_rows_and_its_gradient() -> None:
    rows = torch.stack([torch.zeros(8), torch.tensor([0.0] + [-float("inf")] * 7)]).requires_grad_()
    values = entropy(log_probs(rows))
    torch.testing.assert_close(values, torch.tensor([math.log(8), 0.0]))
    assert _gradient(values.sum(), rows).isfinite().all()
    logits = torch.randn(4, 9, generator=torch.Generator().manual_seed(0), requires_grad=True)
    expected = Categorical(logits=logits).entropy()
    torch.testing.assert_close(entropy(log_probs(logits)), expected)
    torch.testing.assert_close(_gradient(entropy(log_probs(logits)).sum(), logits), _gradient(expected.sum(), logits))


def test_entropy_of_half_precision_logits_is_not_rounded_away() -> None:
    logits = torch.full((1, 151_936), -20.0, dtype=torch.bfloat16)
    logits[0, 0], logits[0, 1:101] = 20.0, 12.0
    log_z = math.log1p(100 * math.exp(-8))
    modal = math.exp(-log_z)
    assert entropy(log_probs(logits)).item() == pytest.approx(modal * log_z + (1 - modal) * (8 + log_z), rel=1e-3)
