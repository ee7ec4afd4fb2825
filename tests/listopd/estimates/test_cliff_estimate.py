"""The estimators of a sweep: known curves, coverage by simulation, the gate, and what may not change a figure."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listeval.errors import UserError
from listopd.estimates import GATE, Outcomes, cliff, cliff_points, crossing, falling, midpoint_shift
from listopd.threshold import cliff_at, fit_drift

LAMS = np.array([1, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.4, 1.6])


def logistic(middle, width=0.03, top=0.97):
    """(..., L) rates around `middle` (...)."""
    return top / (1 + np.exp((LAMS - np.asarray(middle)[..., None]) / width))


def sweep(rng, seeds, prompts, between_seeds=0.0, between_prompts=0.0, at=1.15):
    """A sweep whose midpoint differs by seed and by prompt."""
    middle = at + between_seeds * rng.standard_normal((seeds, 1)) + between_prompts * rng.standard_normal((1, prompts))
    rates = np.moveaxis(logistic(middle), -1, 1)
    return Outcomes(LAMS, rng.random(rates.shape) < rates)


def true_midpoint(between):
    """Of the mean curve of all seeds and prompts, on this grid."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    mean = (logistic(1.15 + between * nodes) * weights[:, None]).sum(0) / weights.sum()
    return crossing(LAMS, falling(mean), (mean[0] + mean[-1]) / 2)


def exactly(rates, prompts=200):
    """A sweep of one seed with these rates."""
    good = np.arange(prompts)[None, :] < np.round(np.array(rates) * prompts)[:, None]
    return Outcomes(LAMS[: len(rates)], good[None])


def test_a_known_curve_has_its_own_midpoint_and_onset():
    found = cliff(exactly([1, 1, 0.8, 0.2, 0]))
    assert found.plateau.value == 1 and found.floor.value == 0 and found.drop.value == 1
    assert found.midpoint is not None and found.midpoint.value == pytest.approx(1.125)
    assert found.onset is not None and found.onset.value == pytest.approx(1.075)
    assert found.midpoint.low < 1.125 < found.midpoint.high and found.settled
    assert [rate.value for rate in found.rates] == pytest.approx([1, 1, 0.8, 0.2, 0])


@pytest.mark.parametrize(
    ("seeds", "prompts", "between_seeds", "between_prompts"),
    [(5, 100, 0.03, 0.02), (3, 60, 0.03, 0.0), (1, 60, 0.0, 0.03), (5, 40, 0.0, 0.03)],
)
def test_the_midpoint_s_interval_covers(seeds, prompts, between_seeds, between_prompts):
    """95 % of them should; of 60 fewer than 52 would have a chance of 1 in 500 if they did."""
    rng = np.random.default_rng(0)
    truth, hits = true_midpoint(math.hypot(between_seeds, between_prompts)), 0
    for _ in range(60):
        found = cliff(sweep(rng, seeds, prompts, between_seeds, between_prompts), draws=200).midpoint
        assert found is not None
        hits += found.low <= truth <= found.high
    assert hits >= 52


@pytest.mark.parametrize("width", [0.001, 0.005, 0.01, 0.02])
def test_the_interval_covers_the_true_midpoint_where_the_fall_is_steeper_than_the_grid(width):
    """However many prompts: they say between which neighbours it lies. Of 30 some 28.5 should be covered."""
    rng, hits = np.random.default_rng(1), 0
    for at in rng.uniform(1.1, 1.3, size=30):
        rates = np.repeat(logistic(at, width)[:, None], 400, axis=1)
        found = cliff(Outcomes(LAMS, (rng.random(rates.shape) < rates)[None]), draws=60)
        hits += found.midpoint.low <= at + 1e-9 and at - 1e-9 <= found.midpoint.high
        assert found.midpoint.high - found.midpoint.low < 0.11 and found.midpoint_error < 0.05
    assert hits >= 26


def test_a_steep_fall_is_moved_by_what_the_grid_can_see():
    one, other = exactly([1, 1, 0, 0]), exactly([1, 1, 1, 0])
    found = cliff(one)
    assert found.midpoint == pytest.approx((1.075, 1.05, 1.1)) and found.midpoint_error > 0.05 / math.sqrt(12) - 1e-9
    assert midpoint_shift(one, one) == pytest.approx((0, -0.05, 0.05))
    assert midpoint_shift(one, other) == pytest.approx((0.05, 0, 0.1))


def test_a_rate_near_half_way_says_where_the_midpoint_is_though_the_next_stretch_is_steep():
    found = cliff(exactly([0.98, 0.97, 0.52, 0.02, 0.02]))
    assert 1.09 < found.midpoint.low < found.midpoint.high < 1.12


def test_the_midpoint_s_error_is_the_spread_of_repetitions():
    rng = np.random.default_rng(1)
    found = [cliff(sweep(rng, 5, 60, 0.03), draws=100) for _ in range(50)]
    spread = np.std([one.midpoint.value for one in found], ddof=1)
    assert np.sqrt(np.mean([one.midpoint_error**2 for one in found])) == pytest.approx(spread, rel=0.4)


@pytest.mark.parametrize("prompts", [1, 2, 3, 5, 10, 40])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_flat_curve_has_no_cliff(prompts, rate):
    """The gate's limit is at 2.5 %; of 50 flat sweeps 5 would have a chance of 1 in 100."""
    rng, found = np.random.default_rng(prompts), 0
    for _ in range(50):
        estimates = cliff(Outcomes(LAMS, rng.random((1, len(LAMS), prompts)) < rate), draws=60)
        assert estimates.exists or (estimates.onset is None and math.isnan(estimates.midpoint_error))
        found += estimates.exists
    assert found < 5


def test_a_small_drop_is_no_cliff_however_sure():
    found = cliff(exactly([1, 1, 0.8, 0.75, 0.75], prompts=2000))
    assert found.drop.low > 0.2 and found.drop.high < GATE and not found.exists


@pytest.mark.parametrize(("prompts", "exists"), [(1, False), (2, False), (3, False), (8, True)])
def test_few_prompts_that_all_break_are_evidence_only_from_some_number_on(prompts, exists):
    found = cliff(exactly([1, 1, 0, 0], prompts))
    assert found.exists == exists
    assert prompts == 1 or found.rates[0].low < 1


def test_a_grid_that_ends_on_the_slope_says_so():
    assert not cliff(exactly([1, 1, 0.9, 0.6, 0.4])).settled
    assert cliff(exactly([1, 0.6, 0.3, 0.3])).settled


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_the_order_of_prompts_and_seeds_changes_no_estimate(state, random):
    found = sweep(np.random.default_rng(state), 3, 20)
    order, seeds = list(range(20)), list(range(3))
    random.shuffle(order)
    random.shuffle(seeds)
    one, other = cliff(found, draws=50), cliff(Outcomes(LAMS, found.good[seeds][:, :, order]), draws=50)
    assert one.curve == other.curve and one.plateau.value == other.plateau.value


def test_the_same_sweep_gives_the_same_bits():
    found = sweep(np.random.default_rng(3), 5, 50)
    assert cliff(found) == cliff(found)
    assert cliff(found, seed=1) != cliff(found)


def test_whole_clusters_are_drawn():
    """Ten copies of each prompt tell no more than one of each."""
    alone = sweep(np.random.default_rng(4), 1, 30, between_prompts=0.05)
    copies = Outcomes(LAMS, np.repeat(alone.good, 10, axis=2), [str(at) for at in range(30) for _ in range(10)])
    one, other = cliff(alone).midpoint, cliff(copies).midpoint
    assert one == pytest.approx(other)
    naive = cliff(Outcomes(LAMS, copies.good)).midpoint
    assert naive.high - naive.low < 0.5 * (one.high - one.low)


def test_an_answer_that_there_is_not_counts_neither_way():
    found = sweep(np.random.default_rng(5), 2, 40)
    good = np.concatenate([found.good.astype(float), np.full((1, len(LAMS), 40), np.nan)])
    assert Outcomes(LAMS, good).rates().tolist() == found.rates().tolist()
    good[0, 3, :20] = np.nan
    known = np.concatenate([found.good[0, 3, 20:], found.good[1, 3]])
    assert Outcomes(LAMS, good).rates()[3] == known.mean()


def test_the_shift_between_two_sweeps_is_paired():
    rng = np.random.default_rng(6)
    middle = 1.15 + 0.06 * rng.standard_normal((1, 150))
    one, other = (Outcomes(LAMS, np.moveaxis(logistic(middle + by, 0.005), -1, 1) > 0.5) for by in (0.0, 0.05))
    moved = midpoint_shift(one, other)
    assert moved.low <= 0.05 <= moved.high
    apart = cliff(one).midpoint
    assert moved.high - moved.low < apart.high - apart.low
    assert midpoint_shift(one, one) == (0, 0, 0)
    assert midpoint_shift(one, Outcomes(LAMS, np.ones_like(one.good))) is None
    with pytest.raises(UserError, match="cannot be paired"):
        midpoint_shift(one, Outcomes(LAMS, other.good[:, :, :40]))


def test_the_drift_s_rate_is_found_from_two_budgets_and_foretells_the_third():
    rng = np.random.default_rng(7)
    star, kappa = 1.1, 0.03
    by_budget = {steps: cliff(sweep(rng, 5, 100, 0.01, at=cliff_at(star, kappa, steps))) for steps in (90, 120)}
    fitted = fit_drift(cliff_points(by_budget), star)
    assert fitted.kappa == pytest.approx(kappa, rel=0.15)
    third = cliff(sweep(rng, 5, 100, 0.01, at=cliff_at(star, kappa, 180)))
    foretold = fitted.cliff(180, noise=third.midpoint_error)
    assert foretold.low <= third.midpoint.value <= foretold.high
    assert cliff_points({70: cliff(exactly([1, 1, 1]))}) == []


@pytest.mark.parametrize(
    ("lams", "good", "cause"),
    [
        ([1, 2], np.ones((1, 3, 4)), "do not fit 2 λ"),
        ([1, 2], np.ones((2, 4)), "do not fit"),
        ([2, 1], np.ones((1, 2, 4)), "do not rise"),
        ([1, 1], np.ones((1, 2, 4)), "do not rise"),
        ([1, 2], np.full((1, 2, 4), 0.5), "neither 0 nor 1"),
        ([1, 2], np.ones((1, 2, 0)), "do not fit"),
    ],
)
def test_what_is_no_sweep_is_refused(lams, good, cause):
    with pytest.raises(UserError, match=cause):
        Outcomes(lams, good)


def test_a_curve_needs_two_lambdas_and_outcomes_at_each():
    with pytest.raises(UserError, match="one λ"):
        cliff(Outcomes([1.0], np.ones((1, 1, 4))))
    good = np.ones((1, 2, 4))
    good[0, 1] = np.nan
    with pytest.raises(UserError, match="λ = 2 has no outcome"):
        cliff(Outcomes([1.0, 2.0], good))
    with pytest.raises(UserError, match="3 cluster labels"):
        Outcomes([1.0, 2.0], np.ones((1, 2, 4)), ["a", "b", "c"])
