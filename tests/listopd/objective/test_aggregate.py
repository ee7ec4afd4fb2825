"""One number from a batch, whatever the micro-batches: loss and gradient."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from listopd.objective.aggregate import aggregate
from listopd.objective.spec import Aggregate

LENGTHS = [1, 9, 0, 4, 7, 2]
MASK = torch.arange(9)[None] < torch.tensor(LENGTHS)[:, None]
DENOMINATOR = {"token_mean": sum(LENGTHS), "sequence_mean": sum(n > 0 for n in LENGTHS)}


def _losses() -> tuple[Tensor, Tensor]:
    """Losses of six answers that depend on shared weights, and those weights."""
    weights = torch.randn(9, generator=torch.Generator().manual_seed(0), requires_grad=True)
    features = torch.randn(6, 9, generator=torch.Generator().manual_seed(1))
    return (features * weights).tanh(), weights


@given(st.sets(st.integers(1, 5)), st.sampled_from(get_args(Aggregate)))
def test_any_split_into_micro_batches_gives_one_loss_and_gradient(cuts: set[int], how: Aggregate) -> None:
    per_token, weights = _losses()
    whole = aggregate(per_token, MASK, how, DENOMINATOR[how])
    [expected] = torch.autograd.grad(whole, weights, retain_graph=True)
    edges = [0, *sorted(cuts), 6]
    parts = [aggregate(per_token[a:b], MASK[a:b], how, DENOMINATOR[how]) for a, b in pairwise(edges)]
    torch.testing.assert_close(torch.stack(parts).sum(), whole)
    gradient = sum(torch.autograd.grad(part, weights, retain_graph=True)[0] for part in parts)
    torch.testing.assert_close(gradient, expected)


def test_values_by_hand_and_the_mean_of_means_differs() -> None:
    per_token = torch.tensor([[1.0, 99.0, 99.0], [2.0, 3.0, 4.0]])
    mask = torch.tensor([[True, False, False], [True, True, True]])
    assert aggregate(per_token, mask, "token_mean", 4).item() == pytest.approx(10 / 4)
    assert aggregate(per_token, mask, "sequence_mean", 2).item() == pytest.approx((1 + 3) / 2)
    assert aggregate(per_token, mask, "token_mean", 4) != aggregate(per_token, mask, "sequence_mean", 2)


@pytest.mark.parametrize("how", get_args(Aggregate))
def test_a_micro_batch_of_padding_gives_zero_and_a_zero_gradient(how: Aggregate) -> None:
    per_token, weights = _losses()
    loss = aggregate(per_token + float("nan"), torch.zeros_like(MASK), how, 5)
    assert loss.item() == 0
    loss.backward()
    assert weights.grad is not None
    assert torch.equal(weights.grad, torch.zeros(9))


def test_half_precision_losses_are_summed_in_single() -> None:
    ones = torch.ones(1, 1001, dtype=torch.bfloat16)
    assert aggregate(ones, torch.ones_like(ones, dtype=torch.bool), "token_mean", 1).item() == 1001


def test_an_empty_global_batch_is_an_error() -> None:
    with pytest.raises(ValueError, match="no answer tokens"):
        aggregate(torch.ones(1, 1), torch.zeros(1, 1, dtype=torch.bool), "token_mean", 0)
