"""What many arms are given at once is what the trainer's objective gives each of them."""

import math

import pytest
import torch

from listopd.lab.losses import FIXED, LOSSES, Rows, arm_means
from listopd.objective.advantage import extrapolated_advantage
from listopd.objective.aggregate import aggregate
from listopd.objective.divergence import divergence, expected_capped
from listopd.objective.log_probs import log_probs
from listopd.objective.policy import policy_loss
from listopd.objective.spec import ClipSpec, ObjectiveSpec

ARMS, TOKENS, SYMBOLS = 4, 12, 7
LAMS, CAPS = (0.0, 1.0, 1.3, 2.5), (math.inf, 1.2, 5.0, 2.0)
SEVERAL = ClipSpec(epsilon_low=0.2, epsilon_high=0.2, dual=3)


def rows_of(seed=0, old=None):
    chance = torch.Generator().manual_seed(seed)
    student, teacher, base = (torch.randn(ARMS * TOKENS, SYMBOLS, generator=chance) * 2 for _ in range(3))
    tokens = torch.randint(SYMBOLS, (ARMS * TOKENS,), generator=chance)
    logp = log_probs(student).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    mask = torch.rand(ARMS * TOKENS, generator=chance) < 0.8
    each = (torch.tensor(values).repeat_interleave(TOKENS) for values in (LAMS, CAPS))
    return Rows(
        student.requires_grad_(), teacher, base, tokens, logp.detach() if old is None else logp + old, *each, mask
    )


def of_one(name, rows, arm):
    """The loss of one arm, by the trainer's functions with plain numbers."""
    part = slice(arm * TOKENS, (arm + 1) * TOKENS)
    student, teacher, base, tokens, old, _, _, mask = (column[part] for column in rows)
    lam, cap = LAMS[arm], None if math.isinf(CAPS[arm]) else CAPS[arm]
    picked = [log_probs(x).gather(-1, tokens.unsqueeze(-1)).squeeze(-1) for x in (student, teacher, base)]
    if name == "exact":
        loss = divergence(student, teacher, base, lam, ObjectiveSpec(divergence="rkl"))
    elif name == "expected":
        loss = expected_capped(student, teacher, base, lam, CAPS[arm]).loss
    else:
        neutral = name == "no-base"
        advantage = extrapolated_advantage(old, picked[1], None if neutral else picked[2], lam, ratio_cap=cap).values
        if name == "fixed-negative":
            advantage = torch.full_like(old, FIXED)
        kind, clips = (name, SEVERAL) if name in ("aspo", "ppo") else ("reinforce", ClipSpec())
        loss = policy_loss(picked[0], old, advantage, mask, kind, clips).per_token
    return aggregate(loss.unsqueeze(0), mask.unsqueeze(0), "token_mean", float(mask.sum()))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("moved", [None, 0.3])
def test_losses_and_gradients_are_the_trainers(name, moved):
    drift = None if moved is None else torch.randn(ARMS * TOKENS, generator=torch.Generator().manual_seed(9)) * moved
    rows = rows_of(old=drift)
    found = arm_means(LOSSES[name](rows).per_token, rows.mask, ARMS)
    expected = torch.stack([of_one(name, rows, arm) for arm in range(ARMS)])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    ours = torch.autograd.grad(found.sum(), rows.student, retain_graph=True)[0]
    theirs = torch.autograd.grad(expected.sum(), rows.student)[0]
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)
    assert ours.abs().sum() > 0


def test_the_cap_is_counted_where_it_acts():
    rows = rows_of()
    gap = log_probs(rows.teacher) - log_probs(rows.student.detach())
    above = gap.gather(-1, rows.tokens.unsqueeze(-1)).squeeze(-1) > rows.cap.log()
    assert torch.equal(LOSSES["listopd"](rows).capped.bool(), above)
    assert above[:TOKENS].sum() == 0
    assert above.sum() > 0
    assert torch.equal(LOSSES["exact"](rows).capped.bool(), above)
    mass = (log_probs(rows.student.detach()).exp() * (gap > rows.cap.log().unsqueeze(-1))).sum(-1)
    torch.testing.assert_close(LOSSES["expected"](rows).capped, mass)


def test_the_sampled_gradient_is_the_expected_one_on_average():
    rows = rows_of(3)
    expected = torch.autograd.grad(LOSSES["expected"](rows).per_token.sum(), rows.student)[0]
    share = log_probs(rows.student.detach()).exp()
    total = torch.zeros_like(expected)
    for symbol in range(SYMBOLS):
        tokens = torch.full_like(rows.tokens, symbol)
        old = log_probs(rows.student.detach())[:, symbol]
        one = rows._replace(tokens=tokens, old=old, mask=torch.ones_like(rows.mask))
        weighted = (LOSSES["listopd"](one).per_token * share[:, symbol]).sum()
        total += torch.autograd.grad(weighted, rows.student)[0]
    torch.testing.assert_close(total, expected, atol=1e-5, rtol=1e-4)
