"""The policy gradient of each kind on a grid of ratios and signs, against textbook losses under autograd."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import get_args

import pytest
import torch
from torch import Tensor

from listopd.objective.advantage import extrapolated_advantage
from listopd.objective.kinds.aspo import high_entropy
from listopd.objective.policy import KINDS, policy_loss
from listopd.objective.spec import ClipSpec, Kind

LOW, HIGH, DUAL = 0.2, 0.3, 3.0
CLIPS = {
    "reinforce": ClipSpec(),
    "ppo": ClipSpec(epsilon_low=LOW, epsilon_high=HIGH, dual=DUAL),
    "aspo": ClipSpec(epsilon_low=LOW, epsilon_high=HIGH, dual=DUAL),
    "cispo": ClipSpec(epsilon_low=LOW, epsilon_high=HIGH),
}
RATIOS = [0.1, 0.3, 0.5, 0.79, 0.81, 1.0, 1.29, 1.31, 2.0, 2.9, 3.1, 8.0]
GRID = list(itertools.product(RATIOS, [-1.5, 0.0, 1.5]))


def _textbook_ppo(logp: Tensor, old: Tensor, a: Tensor) -> Tensor:
    r = (logp - old).exp()
    clipped = torch.maximum(-a * r, -a * r.clamp(1 - LOW, 1 + HIGH))
    return torch.where(a < 0, torch.minimum(clipped, -a * DUAL), clipped)


def _textbook_aspo(logp: Tensor, old: Tensor, a: Tensor) -> Tensor:
    r = (logp - old).exp()
    high, low = r.clamp(max=1 + HIGH), r.clamp(min=1 - LOW)
    flip = torch.where(1 / high > DUAL, DUAL * logp, (high / high.detach()) / high.detach())
    keep = torch.where(low > DUAL, DUAL * logp, low)
    return -a * torch.where(a > 0, flip, keep)


def _textbook_cispo(logp: Tensor, old: Tensor, a: Tensor) -> Tensor:
    return -a * (logp - old).exp().clamp(1 - LOW, 1 + HIGH).detach() * logp


def _textbook_reinforce(logp: Tensor, old: Tensor, a: Tensor) -> Tensor:
    return -a * logp


TEXTBOOK: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "reinforce": _textbook_reinforce, "ppo": _textbook_ppo, "aspo": _textbook_aspo, "cispo": _textbook_cispo,
}  # fmt: skip


def _grid() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    ratio, advantage = (torch.tensor([column]) for column in zip(*GRID, strict=True))
    old = torch.full_like(ratio, -2.0)
    return (old + ratio.log()).requires_grad_(), old, advantage, torch.ones_like(ratio, dtype=torch.bool)


def _gradient(loss: Tensor, logp: Tensor) -> Tensor:
    [gradient] = torch.autograd.grad(loss.sum(), logp)
    return gradient


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_gradient_is_the_textbooks_at_every_ratio_and_sign(kind: Kind) -> None:
    logp, old, advantage, mask = _grid()
    ours = _gradient(policy_loss(logp, old, advantage, mask, kind, CLIPS[kind]).per_token, logp)
    torch.testing.assert_close(ours, _gradient(TEXTBOOK[kind](logp, old, advantage), logp))


def test_ppo_gives_up_a_gradient_only_beyond_the_bound_it_moved_to() -> None:
    logp, old, advantage, mask = _grid()
    loss = policy_loss(logp, old, advantage, mask, "ppo", CLIPS["ppo"])
    hits = {name: dict(zip(GRID, hit[0].tolist(), strict=True)) for name, hit in loss.clipped.items()}
    slopes = dict(zip(GRID, _gradient(loss.per_token, logp)[0].tolist(), strict=True))
    for ratio, a in GRID:
        high, low, dual = a > 0 and ratio > 1.3, a < 0 and ratio < 0.8, a < 0 and ratio > 3
        found = {name for name, hit in hits.items() if hit[ratio, a]}
        assert found == {name for name, hit in zip(hits, (high, low, dual), strict=True) if hit}
        assert slopes[ratio, a] == pytest.approx(0 if found else -a * ratio)


def test_aspo_flips_good_tokens_and_its_dual_clip_keeps_the_gradient() -> None:
    logp, old, advantage, mask = _grid()
    loss = policy_loss(logp, old, advantage, mask, "aspo", CLIPS["aspo"])
    factor = dict(zip(GRID, (-_gradient(loss.per_token, logp) / advantage)[0].tolist(), strict=True))
    dual = dict(zip(GRID, loss.clipped["dual"][0].tolist(), strict=True))
    assert factor[0.5, 1.5] == pytest.approx(2)
    assert factor[1.29, 1.5] == pytest.approx(1 / 1.29)
    assert factor[1.31, 1.5] == 0
    assert factor[0.1, 1.5] == pytest.approx(3)
    assert factor[0.3, 1.5] == pytest.approx(3)
    assert factor[8.0, -1.5] == pytest.approx(3)
    assert factor[2.0, -1.5] == pytest.approx(2)
    assert factor[0.5, -1.5] == 0
    assert {point for point, hit in dual.items() if hit} == {(0.1, 1.5), (0.3, 1.5), (3.1, -1.5), (8.0, -1.5)}


def test_cispo_never_drops_a_token() -> None:
    logp, old, advantage, mask = _grid()
    loss = policy_loss(logp, old, advantage, mask, "cispo", CLIPS["cispo"])
    gradient = _gradient(loss.per_token, logp)
    assert torch.equal(gradient == 0, advantage == 0)
    assert set(loss.clipped) == {"epsilon_high", "epsilon_low"}


@pytest.mark.parametrize("kind", ["ppo", "aspo", "cispo"])
def test_a_clip_that_is_off_does_not_act_and_is_not_reported(kind: Kind) -> None:
    logp, old, advantage, mask = _grid()
    loss = policy_loss(logp, old, advantage, mask, kind, ClipSpec())
    assert loss.clipped == {}
    ratio = (logp - old).detach().exp()
    factor = torch.where(advantage > 0, 1 / ratio, ratio) if kind == "aspo" else ratio
    torch.testing.assert_close(_gradient(loss.per_token, logp), -advantage * factor)


def test_weight_scales_the_gradient_of_its_token_and_gets_none() -> None:
    logp, old, advantage, mask = _grid()
    weight = torch.rand(logp.shape, requires_grad=True)
    plain = _gradient(policy_loss(logp, old, advantage, mask, "ppo", CLIPS["ppo"]).per_token, logp)
    loss = policy_loss(logp, old, advantage, mask, "ppo", CLIPS["ppo"], weight).per_token.sum()
    ours, none = torch.autograd.grad(loss, (logp, weight), allow_unused=True)
    torch.testing.assert_close(ours, plain * weight.detach())
    assert none is None


@pytest.mark.parametrize("kind", get_args(Kind))
def test_padding_of_any_kind_reaches_neither_loss_nor_gradient(kind: Kind) -> None:
    logp = torch.tensor([[-1.0, -float("inf"), float("nan"), 3.0]], requires_grad=True)
    junk = torch.tensor([[0.5, float("nan"), -float("inf"), 1e30]])
    mask = torch.tensor([[True, False, False, False]])
    loss = policy_loss(logp, junk - 1.5, junk, mask, kind, CLIPS[kind], weight=junk)
    assert torch.equal(loss.per_token[0, 1:], torch.zeros(3))
    assert torch.equal(_gradient(loss.per_token, logp)[0, 1:], torch.zeros(3))
    assert loss.per_token[0, 0] != 0
    assert not any(hit[0, 1:].any() for hit in loss.clipped.values())


def test_an_advantage_with_a_graph_is_detached() -> None:
    """Undetached, every sampled gradient would gain grad S: nothing on average, noise in each step."""
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    teacher = torch.randn(5, 4, generator=torch.Generator().manual_seed(1)).log_softmax(-1)[:, 0]
    logp = logits.log_softmax(-1)[:, 0]
    mask = torch.ones(1, 5, dtype=torch.bool)

    def gradient(advantage: Tensor) -> Tensor:
        loss = policy_loss(logp[None], logp[None], advantage[None], mask, "reinforce", ClipSpec())
        return torch.autograd.grad(loss.per_token.sum(), logits, retain_graph=True)[0]

    right = gradient(extrapolated_advantage(logp, teacher, None, 1.0).values)
    assert torch.equal(gradient(teacher - logp), right)
    naive = torch.autograd.grad((-(teacher - logp) * (logp - logp.detach()).exp()).sum(), logits)[0]
    assert not torch.allclose(naive, right, atol=0.1)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_on_policy_the_value_is_the_negative_advantage(kind: Kind) -> None:
    logp, advantage = torch.full((1, 3), -2.0), torch.tensor([[1.0, -2.0, 0.5]])
    loss = policy_loss(logp, logp, advantage, torch.ones(1, 3, dtype=torch.bool), kind, CLIPS[kind])
    assert torch.equal(loss.per_token, -advantage)


def test_the_entropy_split_widens_both_epsilons_on_its_tokens() -> None:
    clips = ClipSpec(epsilon_low=0.2, epsilon_high=0.2, epsilon_at_high_entropy=0.4)
    ratio = torch.tensor([[1.3, 1.3, 0.7, 0.7, 1.5]])
    advantage = torch.tensor([[1.0, 1.0, -1.0, -1.0, 1.0]])
    split = torch.tensor([[True, False, True, False, True]])
    mask = torch.ones_like(split)
    loss = policy_loss(ratio.log(), torch.zeros(1, 5), advantage, mask, "aspo", clips, entropy_split=split)
    assert loss.clipped["epsilon_high"].tolist() == [[False, True, False, False, True]]
    assert loss.clipped["epsilon_low"].tolist() == [[False, False, False, True, False]]
    for wrong_clips, wrong_split in ((clips, None), (CLIPS["aspo"], split)):
        with pytest.raises(ValueError, match="go together"):
            policy_loss(ratio.log(), ratio.log(), advantage, mask, "aspo", wrong_clips, entropy_split=wrong_split)


def test_high_entropy_is_the_top_fifth_of_each_answer_without_its_padding() -> None:
    entropy = torch.cat([torch.arange(10.0), torch.full((10,), 99.0)]).repeat(2, 1)
    mask = torch.zeros(2, 20, dtype=torch.bool)
    mask[0, :10] = True
    assert high_entropy(entropy, mask).nonzero().tolist() == [[0, 8], [0, 9]]


def test_every_kind_has_a_rule() -> None:
    assert tuple(KINDS) == get_args(Kind)
