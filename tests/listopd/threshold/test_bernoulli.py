"""The closed form against a simulation without it: the capped objective breaks at λ*, the uncapped one nowhere."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.errors import UserError
from listopd.threshold.bernoulli import advantages, collapse_threshold, flow, tail_samples
from listopd.threshold.closed_form import lambda_run, lambda_star, lambda_stars, logit, sigmoid, theta_star
from listopd.threshold.drift import cliff_at, first_passage

inside = st.floats(0.01, 0.999)
TEACHERS, BASES, CAPS = [0.95, 0.99, 0.995, 0.999, 0.9993, 0.9999], [0.3, 0.5, 0.8, 0.9], [1.2, 1.5, 2, 3, 5, 10]


def test_the_simulated_collapse_of_the_capped_objective_is_the_closed_form():
    p, b, c = np.meshgrid(TEACHERS, BASES, CAPS)
    found = collapse_threshold(p, b, c)
    assert np.abs(found - lambda_stars(p, b, c)).max() < 1e-3
    assert found.min() < 1.03
    assert found.max() > 3


def test_a_cap_that_never_acts_and_a_base_as_sharp_as_the_teacher_have_no_collapse():
    assert np.isinf(collapse_threshold(0.9, [0.9, 0.95], 5)).all()


def test_the_uncapped_objective_ends_at_the_smooth_target():
    rng = np.random.default_rng(0)
    p, b, lam = rng.uniform(0.01, 0.999, 200), rng.uniform(0.01, 0.999, 200), rng.uniform(0, 3, 200)
    expected = [theta_star(*case) for case in zip(p.tolist(), b.tolist(), lam.tolist(), strict=True)]
    assert sigmoid(flow(p, b, lam)[-1]) == pytest.approx(np.array(expected), abs=1e-9)


@pytest.mark.parametrize("c", [2.0, 5.0])
def test_without_the_cap_nothing_happens_at_the_threshold_and_with_it_the_tail_is_lost(c):
    p, b = 0.99, 0.8
    lam = lambda_star(p, b, c) + np.linspace(-0.05, 0.05, 21)
    free, capped = (1 - sigmoid(flow(p, b, lam, cap, steps=4_000, step=0.5)[-1]) for cap in (math.inf, c))
    steps = np.diff(np.log(free))
    assert steps.max() / steps.min() == pytest.approx(1, abs=0.02), "the off-modal mass falls evenly"
    assert capped[:10] == pytest.approx(free[:10], rel=1e-6), "below, the cap does not act"
    assert capped[-1] < 1e-4 < free[-1]


@pytest.mark.parametrize(("c", "safe", "mass", "broken"), [(5, 1.499, 2.03e-3, 1.509), (2, 1.213, 5.08e-3, 1.223)])
def test_both_sides_of_the_bifurcation(c, safe, mass, broken):
    off = 1 - sigmoid(flow(0.99, 0.8, [safe, broken], c, steps=4_000, step=0.5)[-1])
    assert off[0] == pytest.approx(mass, rel=5e-3)
    assert off[1] < 1e-4


def test_between_the_threshold_and_the_runaway_the_student_rests_outside_the_safe_region():
    p, b, c = 0.95, 0.8, 1.5
    star, run = lambda_star(p, b, c), lambda_run(p, b, c)
    path = sigmoid(flow(p, b, [(star + run) / 2, run + 0.01], c, steps=8_000, step=0.5))
    rest = p / c * math.exp(((star + run) / 2 - 1) * float(logit(p) - logit(b)))
    assert path[-1, 0] == pytest.approx(rest, abs=1e-6)
    assert 1 - (1 - p) / c < rest < 1
    assert path[-1, 1] > 1 - 1e-6


@given(inside, inside, inside, st.floats(0, 3))
def test_the_expected_gradient_is_minus_that_of_the_kl_to_the_normalised_target(theta, p, b, lam):
    modal, other = (float(part) for part in advantages(logit(theta), p, b, lam))
    expected = theta * modal * (1 - theta) + (1 - theta) * other * -theta
    target = theta_star(p, b, lam)
    gradient = theta * (1 - theta) * float(logit(theta) - logit(target))
    assert expected == pytest.approx(-gradient, abs=1e-9)


@given(inside, inside, st.floats(1, 3))
def test_at_the_target_both_tokens_share_a_constant_that_is_a_renyi_divergence(p, b, lam):
    modal, other = advantages(logit(p) * lam + (1 - lam) * logit(b), p, b, lam)
    normaliser = math.log(p**lam * b ** (1 - lam) + (1 - p) ** lam * (1 - b) ** (1 - lam))
    assert float(modal) == pytest.approx(float(other), abs=1e-9)
    assert float(modal) == pytest.approx(normaliser, abs=1e-9)
    assert float(modal) >= -1e-12, "no baseline: gradient noise grows with λ - 1"


@given(inside, inside)
def test_at_lambda_1_that_constant_vanishes(p, b):
    assert [float(part) for part in advantages(logit(p), p, b, 1)] == pytest.approx([0, 0], abs=1e-12)


@given(inside, inside, inside, st.floats(1, 3), st.floats(1.1, 10))
def test_the_cap_acts_on_the_student_ratio_only_and_only_beyond_it(theta, p, b, lam, c):
    free, capped = advantages(logit(theta), p, b, lam), advantages(logit(theta), p, b, lam, c)
    ratios = (p / theta, (1 - p) / (1 - theta))
    for ratio, without, within in zip(ratios, free, capped, strict=True):
        assert float(without - within) == pytest.approx(max(0.0, math.log(ratio / c)), abs=1e-9)


def test_sampled_gradients_without_a_cap_pass_the_boundary_smoothly():
    p, b, c, rng = 0.99, 0.8, 5.0, np.random.default_rng(0)
    lam = lambda_star(p, b, c) + np.array([-0.05, 0.0, 0.05])
    z, kept = np.full(3, float(logit(b))), []
    for at in range(6_000):
        theta = sigmoid(z)
        share = rng.binomial(1_024, theta) / 1_024
        modal, other = advantages(z, p, b, lam)
        z = z + 2 * (share * (1 - theta) * modal - (1 - share) * theta * other)
        if at >= 3_000:
            kept.append(z)
    ends = np.mean(kept, axis=0)
    assert ends == pytest.approx(lam * logit(p) + (1 - lam) * logit(b), abs=0.1)


def test_a_large_step_overshoots_and_is_trapped_below_the_threshold():
    p, b, c = 0.99, 0.8, 2.0
    lam, boundary = lambda_star(p, b, c) - 0.02, float(logit(1 - (1 - p) / c))
    small = flow(p, b, lam, c, rate="softmax", step=1.0, steps=20_000)[-1]
    large = flow(p, b, lam, c, rate="softmax", step=60.0, steps=2_000)[-1]
    assert float(small) < boundary < float(large)


def test_gradient_ascent_on_log_odds_ends_where_the_natural_flow_does_only_later():
    natural, slowed = (flow(0.95, 0.7, 1.1, 5, rate=rate, steps=4_000, step=0.5) for rate in ("natural", "softmax"))
    assert float(slowed[-1]) == pytest.approx(float(natural[-1]), abs=1e-6)
    assert float(slowed[20]) < float(natural[20])


@pytest.mark.parametrize("excess", [0.05, 0.2, 0.5])
def test_budget_drift_is_the_first_passage_of_this_flow(excess):
    p, b, c, step = 0.99, 0.8, 5.0, 1e-3
    star = lambda_star(p, b, c)
    crossed = flow(p, b, star + excess, c, step=step, steps=5_000) > logit(1 - (1 - p) / c)
    passage = float(crossed.argmax()) * step
    assert passage == pytest.approx(first_passage(star + excess, star, 1.0), rel=2e-3)
    assert cliff_at(star, 1.0, passage) == pytest.approx(star + excess, rel=1e-3)


def test_the_tail_is_hardly_sampled_at_the_papers_sharpness():
    per_step = tail_samples(0.9993, 128 * 8)
    assert per_step == pytest.approx(0.717, abs=1e-3)
    assert tail_samples(0.9993, 128 * 8, 42) == pytest.approx(30, abs=0.5)


def test_a_step_that_stands_still_is_refused():
    with pytest.raises(UserError, match="the step must be positive"):
        flow(0.9, 0.5, 1.2, step=0)
