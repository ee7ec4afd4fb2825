"""The advantage a token: algebra, precision, the cap and the missing base."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from listopd.objective.advantage import combined_reference, extrapolated_advantage


def _log_probs(seed: int, shape: tuple[int, ...] = (3, 8)) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    student, teacher, base = (-torch.rand(shape, generator=generator) * 10 for _ in range(3))
    return student, teacher, base


@given(st.integers(0, 10**6), st.floats(0, 5))
def test_it_is_lambda_teacher_less_the_rest_of_the_base_less_the_student(seed: int, lam: float) -> None:
    s, t, b = _log_probs(seed)
    expected = lam * t.double() - (lam - 1) * b.double() - s.double()
    torch.testing.assert_close(extrapolated_advantage(s, t, b, lam).values, expected.float(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(combined_reference(t, b, lam) - s, expected.float(), atol=1e-5, rtol=1e-5)


@given(st.integers(0, 10**6))
def test_at_lambda_one_it_is_plain_distillation_bitwise(seed: int) -> None:
    s, t, b = _log_probs(seed)
    for base in (b, None):
        for lam in (1.0, torch.ones_like(s)):
            assert torch.equal(extrapolated_advantage(s, t, base, lam, offset=11.9).values, t - s)
            assert torch.equal(combined_reference(t, base, lam), t)


def test_scaffold_tokens_keep_their_small_signal() -> None:
    """T - B of 1e-4 beside log-probabilities of -20: the naive order of the terms loses digits that ours keeps."""
    b = torch.tensor([[-20.0]])
    t = b + 1e-4
    lam = 1.001
    exact = lam * t.double() - (lam - 1) * b.double() - b.double()
    naive = lam * t - (lam - 1) * b - b
    ours = extrapolated_advantage(b, t, b, lam).values
    assert (ours - exact).abs() < 1e-9 < (naive - exact).abs()


def test_lambda_may_differ_by_token() -> None:
    s, t, b = _log_probs(0)
    lam = torch.where(torch.arange(8) % 2 == 0, 1.0, 1.4).expand(3, 8)
    values = extrapolated_advantage(s, t, b, lam).values
    assert torch.equal(values[:, ::2], (t - s)[:, ::2])
    assert torch.equal(values[:, 1::2], extrapolated_advantage(s, t, b, lam[0, 1]).values[:, 1::2])


def test_without_a_base_the_offset_is_a_uniform_one() -> None:
    s, t, _ = _log_probs(1)
    uniform = torch.full_like(s, -math.log(32))
    torch.testing.assert_close(
        extrapolated_advantage(s, t, None, 1.3, offset=math.log(32)).values,
        extrapolated_advantage(s, t, uniform, 1.3).values,
    )
    torch.testing.assert_close(extrapolated_advantage(s, t, None, 1.3).values, 1.3 * t - s)


def test_the_cap_bounds_teacher_over_student_and_nothing_else() -> None:
    s, t, b = _log_probs(2)
    capped = extrapolated_advantage(s, t, b, 1.5, ratio_cap=5.0)
    assert torch.equal(capped.capped, (t - s) > math.log(5))
    assert 0 < capped.capped.sum() < capped.capped.numel()
    expected = torch.minimum(t - s, torch.tensor(5.0).log()) + 0.5 * (t - b)
    torch.testing.assert_close(capped.values, expected)
    assert not extrapolated_advantage(s, t, b, 1.5).capped.any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_detached_and_single_precision_whatever_comes_in(dtype: torch.dtype) -> None:
    s, t, b = (x.to(dtype).requires_grad_() for x in _log_probs(3))
    values = extrapolated_advantage(s, t, b, torch.full(s.shape, 1.2, dtype=dtype)).values
    assert values.dtype == torch.float32
    assert not values.requires_grad
    assert not combined_reference(t, b, 1.2).requires_grad
