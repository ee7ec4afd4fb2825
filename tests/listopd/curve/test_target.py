"""The target's scores: the two models at 0 and 1, modes that flip where they should, and what the floor takes away."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from listeval.errors import UserError
from listopd.curve.target import TargetArm, check_arm, target_scores
from listopd.threshold import lambda_flip
from listopd.threshold.closed_form import sigmoid
from tests.listopd.curve.tables import RIGHT, odds

LOGITS = st.lists(st.floats(-12, 12), min_size=3, max_size=6)
FLOORS = st.sampled_from([0.0, 1e-3, 0.1, 0.5])


def pair(ours, theirs):
    n = min(len(ours), len(theirs))
    return (torch.tensor([row[:n]], dtype=torch.double).log_softmax(-1) for row in (ours, theirs))


@given(LOGITS, LOGITS, FLOORS)
def test_at_0_and_1_it_is_the_two_models_whatever_the_floor(ours, theirs, floor):
    teacher, base = pair(ours, theirs)
    assert torch.equal(target_scores(teacher, base, TargetArm(1.0, floor)), teacher)
    assert torch.equal(target_scores(teacher, base, TargetArm(0.0, floor)), base)


@given(LOGITS, LOGITS, st.floats(0, 6))
def test_the_plain_target_is_the_normalised_power(ours, theirs, lam):
    teacher, base = pair(ours, theirs)
    p, b = teacher.exp(), base.exp()
    wanted = p**lam * b ** (1 - lam)
    found = target_scores(teacher, base, TargetArm(lam)).softmax(-1)
    assert torch.allclose(found, wanted / wanted.sum(), atol=1e-9)


@given(st.floats(0.05, 8), st.floats(0.05, 8), st.floats(1.001, 8))
def test_a_mode_flips_from_lambda_flip_on_and_nowhere_else(teacher, base, lam):
    """L_b / (L_b - L_p) where the base is surer; with L_p above L_b never."""
    flip = lambda_flip(float(sigmoid(teacher)), float(sigmoid(base)))
    assume(math.isinf(flip) or abs(lam - flip) > 1e-6 * flip)
    best = target_scores(odds(teacher)[:1], odds(base)[:1], TargetArm(lam)).argmax(-1).item()
    assert (best == RIGHT) == (lam < flip)


@given(st.floats(0.05, 4), st.floats(0.05, 8), st.floats(1.001, 8), st.floats(1e-4, 0.4))
def test_a_flip_is_kept_where_its_token_has_the_mass_and_dropped_where_not(teacher, base, lam, floor):
    flip = lambda_flip(float(sigmoid(teacher)), float(sigmoid(base)))
    mass = 1 - float(sigmoid(base))
    assume(abs(mass - floor) > 1e-9 and (math.isinf(flip) or abs(lam - flip) > 1e-6 * flip))
    best = target_scores(odds(teacher)[:1], odds(base)[:1], TargetArm(lam, floor)).argmax(-1).item()
    assert (best == RIGHT) == (lam < flip or mass < floor)


@given(LOGITS, LOGITS, FLOORS)
def test_just_above_1_decoding_is_still_the_teacher_s(ours, theirs, floor):
    """Where the floor would take away the teacher's first choice, the curve would fall from 1 on for no reason."""
    teacher, base = pair(ours, theirs)
    two = teacher.topk(2).values[0]
    assume(two[0] - two[1] > 1e-6)
    best = target_scores(teacher, base, TargetArm(1 + 1e-9, floor)).argmax(-1)
    assert torch.equal(best, teacher.argmax(-1))


@given(LOGITS, LOGITS, st.floats(1.01, 6), st.floats(1e-4, 0.4), st.floats(1e-4, 0.4))
def test_a_higher_floor_leaves_no_more_tokens(ours, theirs, lam, one, other):
    teacher, base = pair(ours, theirs)
    low, high = (target_scores(teacher, base, TargetArm(lam, floor)) > -math.inf for floor in sorted((one, other)))
    assert (low | ~high).all() and high.any()


@pytest.mark.parametrize("lam", [0.5, 1.5])
def test_a_token_that_the_base_never_writes_is_none_of_the_target(lam):
    teacher, base = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[1.0, 0.0]]).log()
    found = target_scores(teacher, base, TargetArm(lam))
    assert found.argmax(-1).item() == 0 and not found.isnan().any()


@pytest.mark.parametrize(
    "arm", [TargetArm(-1), TargetArm(math.inf), TargetArm(math.nan), TargetArm(1.5, 1.0), TargetArm(1.5, -0.1)]
)
def test_what_is_no_target_is_refused(arm):
    with pytest.raises(UserError, match="must be"):
        check_arm(arm)
