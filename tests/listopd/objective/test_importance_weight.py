"""The trainer/rollout weight against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from listopd.objective.weights import importance_weight


def _phi(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


@pytest.mark.parametrize(("mean", "deviation", "cap"), [(0.0, 0.5, 2.0), (-0.02, 0.2, 1.1), (0.3, 1.0, 5.0)])
def test_log_normal_noise_between_engines_gives_the_truncated_mean(mean: float, deviation: float, cap: float) -> None:
    """E min(e^d, c) = e^(m + v/2) Phi((ln c - m - v)/s) + c Phi((m - ln c)/s) for d normal."""
    n = 40_000
    noise = mean + deviation * torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)
    rollout = torch.full((4, n // 4), -3.0, dtype=torch.float64)
    mask = torch.ones_like(rollout, dtype=torch.bool)
    weights = importance_weight(rollout + noise.reshape(4, -1), rollout, cap, mask)
    log_cap, variance = math.log(cap), deviation**2
    below = math.exp(mean + variance / 2) * _phi((log_cap - mean - variance) / deviation)
    beyond = _phi((mean - log_cap) / deviation)
    assert weights.values.double().mean().item() == pytest.approx(below + cap * beyond, rel=1e-3)
    assert weights.capped.double().mean().item() == pytest.approx(beyond, abs=1e-3)
    assert weights.mean.item() == pytest.approx(math.exp(mean + variance / 2), rel=2e-3)
    assert weights.max.item() == pytest.approx(math.exp(noise.max().item()), rel=1e-5)
    assert weights.values.max().item() == pytest.approx(cap)


def test_equal_engines_weigh_one_exactly_and_never_touch_the_cap() -> None:
    logp = -10 * torch.rand(2, 5, requires_grad=True)
    weights = importance_weight(logp, logp, 1.0, torch.ones(2, 5, dtype=torch.bool))
    assert torch.equal(weights.values, torch.ones(2, 5))
    assert not weights.capped.any()
    assert not weights.values.requires_grad


def test_padding_weighs_one_and_stays_out_of_the_statistics() -> None:
    old = torch.tensor([[math.log(2.0), 100.0, float("nan"), -float("inf")]])
    mask = torch.tensor([[True, False, False, False]])
    weights = importance_weight(old, torch.zeros(1, 4), 3.0, mask)
    torch.testing.assert_close(weights.values, torch.tensor([[2.0, 1.0, 1.0, 1.0]]))
    assert (weights.mean.item(), weights.max.item()) == (pytest.approx(2), pytest.approx(2))
    assert not weights.capped.any()
    empty = importance_weight(old, torch.zeros(1, 4), 3.0, torch.zeros_like(mask))
    assert (empty.mean.item(), empty.max.item()) == (0, 0)


def test_without_a_cap_a_mad_ratio_stays_finite() -> None:
    weights = importance_weight(torch.zeros(1, 1), torch.full((1, 1), -500.0), None, torch.ones(1, 1, dtype=torch.bool))
    assert weights.values.item() == pytest.approx(math.exp(20))
    assert not weights.capped.any()
