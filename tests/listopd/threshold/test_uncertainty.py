"""Error propagation: the delta method and the bootstrap agree, cover the truth, and know when they know nothing."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.errors import UserError
from listopd.threshold import Positions, bootstrap_interval, delta_interval, lambda_star, operating_threshold, propagate
from listopd.threshold.closed_form import logit, sigmoid


def sample(seed, prompts=100, per_prompt=12, p=0.995, b=0.9, spread=0.5):
    """Positions whose log-odds scatter between prompts and within them."""
    rng = np.random.default_rng(seed)
    prompt = np.repeat(np.arange(prompts), per_prompt)

    def column(centre):
        return sigmoid(
            logit(centre) + spread * rng.standard_normal(prompts)[prompt] + 0.3 * rng.standard_normal(len(prompt))
        )

    return Positions.of(prompt, column(p), column(b))


@pytest.mark.parametrize("aggregator", ["mean", "logit_mean"])
@pytest.mark.parametrize(("p", "b"), [(0.995, 0.9), (0.9993, 0.8), (0.99, 0.95)])
def test_the_delta_method_and_the_bootstrap_over_prompts_agree(aggregator, p, b):
    found = sample(1, p=p, b=b)
    delta = delta_interval(found, 5, aggregator)
    boot = bootstrap_interval(found, 5, aggregator, resamples=4_000)
    width = delta.high - delta.low
    assert delta.value == boot.value == operating_threshold(found, 5, aggregator).value
    assert abs(delta.low - boot.low) < 0.1 * width
    assert abs(delta.high - boot.high) < 0.1 * width


def test_the_interval_covers_the_truth_as_often_as_it_says():
    truth = lambda_star(0.995, 0.9, 5)
    hits = sum(
        found.low <= truth <= found.high
        for found in (delta_interval(sample(seed, prompts=20), 5, "logit_mean") for seed in range(400))
    )
    assert 0.92 <= hits / 400 <= 0.98


def asked_again(found, times, per_unit=1):
    """Every prompt `times` over, as several seeds ask it; `per_unit` prompts are of one product."""
    prompt = np.concatenate([found.prompt + seed * found.prompts for seed in range(times)])
    columns = [np.tile(column, times) for column in (found.p, found.b)]
    return Positions.of(prompt, *columns, unit=[f"product {n}" for n in np.tile(found.prompt, times) // per_unit])


@pytest.mark.parametrize("aggregator", ["mean", "logit_mean"])
@pytest.mark.parametrize("times", [2, 4])
def test_a_prompt_that_is_asked_again_is_no_second_prompt(aggregator, times):
    """Four copies say what one says: the same value, and the same interval."""
    once = sample(3, prompts=24)
    again = asked_again(once, times)
    assert (again.prompts, again.units) == (24 * times, 24)
    for interval in (delta_interval, bootstrap_interval):
        assert interval(again, 5, aggregator) == pytest.approx(interval(once, 5, aggregator), rel=1e-6)


def test_prompts_of_one_product_are_resampled_together():
    rng = np.random.default_rng(4)
    product = rng.standard_normal(30).repeat(5)
    prompts = Positions.of(range(150), sigmoid(5 + product), sigmoid(2 + product))
    known = Positions.of(range(150), prompts.p, prompts.b, unit=np.arange(150) // 5)
    assert known.keep(known.prompt % 5 > 0).units == 30
    for interval in (delta_interval, bootstrap_interval):
        wide, narrow = interval(known, 5), interval(prompts, 5)
        assert wide.value == narrow.value
        assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_units_that_are_prompts_change_nothing_whatever_they_are_called():
    found = sample(5, prompts=12)
    named = Positions.of(found.prompt, found.p, found.b, unit=[f"{97 * n % 12}" for n in found.prompt])
    assert bootstrap_interval(named, 5) == bootstrap_interval(found, 5)
    with pytest.raises(UserError, match="a prompt belongs to two units"):
        Positions.of([0, 0, 1], [0.9] * 3, [0.8] * 3, unit=["a", "b", "a"])


def test_positions_of_one_prompt_are_not_independent():
    found = sample(2)
    alone = Positions.of(np.arange(len(found)), found.p, found.b)
    for interval in (delta_interval, bootstrap_interval):
        together, apart = interval(found, 5, "logit_mean"), interval(alone, 5, "logit_mean")
        assert together.high - together.low > 2 * (apart.high - apart.low)


@given(st.floats(0.9, 0.9999), st.floats(0.1, 0.89), st.floats(1.1, 10), st.floats(-1, 1))
def test_propagation_is_the_first_order_of_the_threshold(p, b, c, correlation):
    p_error, b_error = 1e-5 * (1 - p), 1e-5 * b
    low, high = propagate(p, b, c, p_error=p_error, b_error=b_error, correlation=correlation)[1:]
    h = 1e-4
    by_p = (lambda_star(p + h * (1 - p), b, c) - lambda_star(p - h * (1 - p), b, c)) / (2 * h * (1 - p))
    by_b = (lambda_star(p, b * (1 + h), c) - lambda_star(p, b * (1 - h), c)) / (2 * h * b)
    x, y = by_p * p_error, by_b * b_error
    half = 1.959964 * math.sqrt(max(0.0, x * x + y * y + 2 * correlation * x * y))
    assert (high - low) / 2 == pytest.approx(half, rel=1e-2, abs=1e-9)


def test_propagation_from_the_covariance_of_prompt_means_is_the_delta_interval():
    found = sample(3, prompts=2_000, p=0.99, b=0.8, spread=0.2)
    p, r = found.prompt_means(found.p), found.prompt_means(found.log_ratio)
    base = p.mean() * math.exp(-r.mean())
    jacobian = np.array([[1, 0], [base / p.mean(), -base]])
    cov = jacobian @ (np.cov(p, r) / 2_000) @ jacobian.T
    errors = np.sqrt(np.diag(cov))
    own = propagate(
        float(p.mean()),
        float(base),
        5,
        p_error=float(errors[0]),
        b_error=float(errors[1]),
        correlation=float(cov[0, 1] / errors.prod()),
    )
    assert tuple(own) == pytest.approx(tuple(delta_interval(found, 5)), rel=1e-4)


def test_the_error_of_b_dominates_once_b_is_realistic():
    of_p = propagate(0.999, 0.95, 5, p_error=2e-4, b_error=0)
    of_b = propagate(0.999, 0.95, 5, p_error=0, b_error=2e-2)
    of_c = lambda_star(0.999, 0.95, 6) - lambda_star(0.999, 0.95, 4)
    assert of_b.high - of_b.low > 1.5 * (of_p.high - of_p.low)
    assert of_b.high - of_b.low > of_c


def test_the_upper_limit_is_infinite_where_the_base_may_be_as_sharp_as_the_teacher():
    found = propagate(0.99, 0.97, 5, p_error=0.001, b_error=0.03)
    assert math.isfinite(found.value)
    assert 1 < found.low < found.value
    assert found.high == math.inf
    close = sample(4, prompts=8, p=0.99, b=0.985, spread=1.0)
    for interval in (delta_interval(close, 5, "logit_mean"), bootstrap_interval(close, 5, "logit_mean")):
        assert interval.high == math.inf
        assert 1 < interval.low < math.inf


def test_a_base_sharper_than_the_teacher_can_still_have_a_finite_lower_limit():
    found = propagate(0.99, 0.991, 5, p_error=0.001, b_error=0.01)
    assert found.value == math.inf
    assert math.isfinite(found.low)


def test_exact_probabilities_give_a_point_and_no_cap_gives_no_limit():
    assert set(propagate(0.99, 0.8, 5, p_error=0, b_error=0)) == {lambda_star(0.99, 0.8, 5)}
    assert set(propagate(0.99, 0.8, math.inf, p_error=0.001, b_error=0.1)) == {math.inf}


@pytest.mark.parametrize("interval", [delta_interval, bootstrap_interval])
def test_one_prompt_says_nothing_of_the_error(interval):
    found = interval(Positions.of([0, 0], [0.99, 0.98], [0.8, 0.7]), 5)
    assert math.isfinite(found.value)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_the_delta_method_is_refused_for_what_is_not_smooth():
    for name in ("max_of_prompt_mean", "position_max", "q50"):
        with pytest.raises(UserError, match=f"does not hold for '{name}'"):
            delta_interval(sample(0), 5, name)


def test_leaving_prompts_out_can_only_loosen_a_maximum():
    found = sample(5)
    safety = bootstrap_interval(found, 5, "position_max")
    again = bootstrap_interval(found, 5, "position_max")
    assert safety == again, "seeded"
    assert math.isfinite(safety.low)


@pytest.mark.parametrize("aggregator", ["max_of_prompt_mean", "position_max", "q05", "q50", "q95"])
def test_every_aggregator_can_be_resampled(aggregator):
    found = bootstrap_interval(sample(6, prompts=30), 5, aggregator, resamples=300)
    assert found.low <= found.value * 1.05
    assert found.low < found.high


def test_impossible_errors_are_refused():
    for wrong in ({"p_error": -1, "b_error": 0}, {"p_error": 0, "b_error": math.nan}):
        with pytest.raises(UserError, match="are not possible"):
            propagate(0.99, 0.8, 5, **wrong)
    with pytest.raises(UserError, match="are not possible"):
        propagate(0.99, 0.8, 5, p_error=0.1, b_error=0.1, correlation=2)
