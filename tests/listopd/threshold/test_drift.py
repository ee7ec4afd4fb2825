"""Budget drift: the law, its fit and what it predicts for a budget that was not run."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.errors import UserError
from listopd.threshold import CliffPoint, cliff_at, first_passage, fit_drift

stars, rates, budgets = st.floats(1.01, 3), st.floats(0.005, 0.3), st.floats(1, 200)


@given(stars, rates, budgets)
def test_the_cliff_of_a_budget_is_the_lambda_that_just_arrives(star, kappa, steps):
    assert cliff_at(star, kappa, steps) == pytest.approx(star / (1 - math.exp(-kappa * steps)))
    cliff = cliff_at(star, kappa, steps)
    if cliff > star * (1 + 1e-6):
        assert first_passage(cliff, star, kappa) == pytest.approx(steps, rel=1e-4)


@given(stars, rates, budgets)
def test_a_longer_budget_moves_the_cliff_left_but_never_below_the_threshold(star, kappa, steps):
    assert star <= cliff_at(star, kappa, 2 * steps) <= cliff_at(star, kappa, steps)


def test_below_the_threshold_the_boundary_is_never_reached():
    assert first_passage(1.2, 1.2, 0.1) == math.inf == first_passage(1.1, 1.2, 0.1)


@given(stars, st.floats(0.01, 0.1), st.lists(st.integers(5, 60), min_size=1, max_size=5, unique=True))
def test_exact_midpoints_give_the_rate_back(star, kappa, steps):
    fitted = fit_drift([CliffPoint(t, cliff_at(star, kappa, t), 0.01) for t in steps], star)
    assert fitted.kappa == pytest.approx(kappa, rel=1e-6)
    for t in (14, 42, 70):
        found = fitted.cliff(t)
        assert found.value == pytest.approx(cliff_at(star, kappa, t), rel=1e-6)
        assert found.low <= found.value <= found.high


def test_one_midpoint_s_own_budget_gets_its_own_interval_back():
    found = fit_drift([CliffPoint(42, 1.36, 0.02)], 1.2).cliff(42)
    assert found == pytest.approx((1.36, 1.36 - 1.96 * 0.02, 1.36 + 1.96 * 0.02), abs=2e-3)


@pytest.mark.parametrize("midpoint", [1.2, 1.19, 1.17])
def test_a_midpoint_at_the_threshold_says_that_the_rate_is_large(midpoint):
    """Its error may put it a little below: that is no reason to give up."""
    alone = fit_drift([CliffPoint(42, midpoint, 0.02)], 1.2)
    low, high = alone.rates()
    assert alone.kappa == high == math.inf and 0 < low < math.inf
    assert alone.cliff(70).value == 1.2 == alone.cliff(70).low < alone.cliff(70).high
    beside = fit_drift([CliffPoint(14, cliff_at(1.2, 0.05, 14), 0.02), CliffPoint(42, midpoint, 0.02)], 1.2)
    assert 0.05 < beside.kappa < math.inf


def test_another_cap_s_threshold_takes_the_rate_along():
    fitted = fit_drift([CliffPoint(42, 1.36, 0.02)], 1.2)
    assert fitted.cliff(70, star=1.6).value == cliff_at(1.6, fitted.kappa, 70)


def test_two_budgets_predict_the_third_as_often_as_the_interval_says():
    star, kappa, error, rng, hits = 1.2, 0.05, 0.02, np.random.default_rng(0), 0
    for _ in range(500):
        seen = [CliffPoint(t, cliff_at(star, kappa, t) + error * rng.standard_normal(), error) for t in (14, 42)]
        third = cliff_at(star, kappa, 70) + error * rng.standard_normal()
        found = fit_drift(seen, star).cliff(70, noise=error)
        hits += found.low <= third <= found.high
    assert hits / 500 >= 0.93


def test_the_curve_is_known_better_than_a_measurement_on_it():
    fitted = fit_drift([CliffPoint(14, 2.4, 0.1), CliffPoint(42, 1.36, 0.02)], 1.2)
    curve, measured = fitted.cliff(70), fitted.cliff(70, noise=0.05)
    assert measured.low < curve.low < curve.value < curve.high < measured.high
    assert curve.low > 1.2


def test_points_that_scatter_more_than_they_claim_widen_the_rate():
    calm = fit_drift(
        [CliffPoint(14, cliff_at(1.2, 0.05, 14), 0.01), CliffPoint(42, cliff_at(1.2, 0.05, 42), 0.01)], 1.2
    )
    wild = fit_drift([CliffPoint(14, 2.0, 0.01), CliffPoint(42, 1.6, 0.01)], 1.2)
    narrow, wide = (high / low for low, high in (calm.rates(), wild.rates()))
    assert math.log(wide) > 3 * math.log(narrow)


def test_a_vague_midpoint_leaves_the_rate_open_to_both_sides():
    fitted = fit_drift([CliffPoint(14, 1.3, 5.0)], 1.2)
    low, high = fitted.rates()
    assert low < fitted.kappa / 10 and high == math.inf
    assert fitted.cliff(14).high == pytest.approx(1.3 + 1.96 * 5, rel=1e-2)


def test_what_drift_cannot_explain_is_refused():
    with pytest.raises(UserError, match=r"the midpoint 1.17 after 42 steps is below λ\* = 1.2"):
        fit_drift([CliffPoint(42, 1.17, 0.01)], 1.2)
    with pytest.raises(UserError, match="no cliff midpoint"):
        fit_drift([], 1.2)
    with pytest.raises(UserError, match="standard error must be a positive number, not 0"):
        fit_drift([CliffPoint(42, 1.3, 0)], 1.2)
    with pytest.raises(UserError, match=r"λ\* must be a positive number, not inf"):
        fit_drift([CliffPoint(42, 1.3, 0.01)], math.inf)
    with pytest.raises(UserError, match="steps must be a positive number"):
        cliff_at(1.2, 0.1, 0)
