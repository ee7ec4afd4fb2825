"""Sequence forms: what each aggregator takes, checked against plain loops, and what resampling does to it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listeval.errors import UserError
from listopd.threshold import (
    Positions,
    aggregate,
    base_neutral,
    bootstrap_interval,
    flip_threshold,
    lambda_flip,
    lambda_star,
    operating_threshold,
    safety_threshold,
    theta_star,
    tightest_threshold,
)
from listopd.threshold.closed_form import logit
from listopd.threshold.positions import RESOLUTION
from listopd.threshold.sequence import _AGGREGATORS

share = st.floats(0.01, 0.999)
rows = st.lists(st.tuples(st.integers(0, 4), share, share), min_size=1, max_size=30)
names = st.sampled_from(sorted(_AGGREGATORS))


def positions(table):
    prompt, p, b = zip(*table, strict=True)
    return Positions.of(prompt, p, b)


def by_prompt(table, value):
    groups = {}
    for prompt, p, b in table:
        groups.setdefault(prompt, []).append(value(p, b))
    return {prompt: float(np.mean(found)) for prompt, found in groups.items()}


def implied(p, ratio):
    return min(max(p * math.exp(-ratio), RESOLUTION), 1 - RESOLUTION)


@given(rows)
def test_the_mean_is_that_of_prompt_means_and_b_is_implied_by_the_joint_log_ratio(table):
    found = operating_threshold(positions(table), 5)
    p = float(np.mean(list(by_prompt(table, lambda p, b: p).values())))
    ratio = float(np.mean(list(by_prompt(table, lambda p, b: math.log(p / b)).values())))
    assert (found.p, found.b) == pytest.approx((p, implied(p, ratio)))
    assert found.value == lambda_star(found.p, found.b, 5)


@given(rows)
def test_the_max_of_prompt_mean_has_the_one_b(table):
    found = safety_threshold(positions(table), 5)
    assert found.p == pytest.approx(max(by_prompt(table, lambda p, b: p).values()))
    scale = operating_threshold(positions(table), 5)
    assert found.b == (scale.b if scale.b < scale.p else max(scale.b, found.p))


@settings(max_examples=500)
@given(rows, st.floats(1.01, 50))
def test_the_safety_form_is_never_above_the_operating_scale(table, c):
    found = positions(table)
    scale, safe = operating_threshold(found, c), safety_threshold(found, c)
    assert safety_threshold(found, c, "position_max").value <= safe.value <= scale.value


def test_on_500_synthetic_sets_the_safety_form_is_never_above_the_operating_scale():
    rng = np.random.default_rng(0)
    for _ in range(500):
        n, prompts = int(rng.integers(40, 400)), int(rng.integers(2, 30))
        p = 1 - 10 ** rng.uniform(-5, -1, n)
        b = np.clip(p * rng.beta(8, 1, n), 1e-6, 1 - 1e-6)
        found = Positions.of(rng.integers(0, prompts, n), p, b)
        for safe in ("max_of_prompt_mean", "position_max"):
            assert safety_threshold(found, 5, safe).value <= operating_threshold(found, 5).value


@given(rows)
def test_the_logit_mean(table):
    found = operating_threshold(positions(table), 5, "logit_mean")
    for value, pick in ((found.p, lambda p, b: p), (found.b, lambda p, b: b)):
        means = by_prompt(table, lambda p, b, pick=pick: math.log(pick(p, b) / (1 - pick(p, b))))
        assert math.log(value / (1 - value)) == pytest.approx(float(np.mean(list(means.values()))), abs=1e-6)


@given(rows)
def test_the_largest_position_has_the_one_b(table):
    found = safety_threshold(positions(table), 5, "position_max")
    assert found.p == pytest.approx(max(p for _, p, _ in table))
    scale = operating_threshold(positions(table), 5)
    assert found.b == (scale.b if scale.b < scale.p else max(scale.b, found.p))


@given(rows)
def test_quantiles_are_order_statistics_of_the_positions(table):
    found = [float(aggregate(positions(table), name)[0][0]) for name in ("q05", "q25", "q50", "q75", "q95")]
    expected = [
        float(np.quantile([p for _, p, _ in table], q, method="inverted_cdf")) for q in (0.05, 0.25, 0.5, 0.75, 0.95)
    ]
    assert found == sorted(found)
    assert found == expected or len(table) % 20 == 0


@given(rows)
def test_the_tightest_position_is_below_every_position(table):
    each = [lambda_star(p, b, 5) for _, p, b in table]
    assert tightest_threshold(positions(table), 5) == pytest.approx(min(each))


def test_the_largest_p_need_not_bind():
    two = Positions.of([0, 0], [0.999, 0.998], [0.998, 0.5])
    assert tightest_threshold(two, 5) < safety_threshold(two, 5, "position_max").value


def test_a_step_flips_where_its_base_is_surer_and_nowhere_else():
    flip = lambda_flip(0.8, 0.95)
    assert flip == pytest.approx(logit(0.95) / (logit(0.95) - logit(0.8)))
    for lam, modal in ((flip - 0.01, True), (flip + 0.01, False)):
        assert (theta_star(0.8, 0.95, lam) > 0.5) is modal
    assert math.inf == lambda_flip(0.95, 0.8) == lambda_flip(0.9, 0.9) == lambda_flip(0.4, 0.9)


@given(share, share, st.floats(1, 8))
def test_below_its_flip_a_target_keeps_the_teachers_mode(p, b, lam):
    if p > 0.5 and abs(lam - lambda_flip(p, b)) > 1e-6:
        assert (theta_star(p, b, lam) >= 0.5) == (lam < lambda_flip(p, b)) or theta_star(p, b, lam) == 0.5


def test_one_step_of_the_format_flips_before_the_others_and_free_choices_never_do():
    kinds = ["item_next 7"] * 40 + ["quote 1"] * 200 + ["free"] * 40
    found = Positions.of([0] * 280, [0.7] * 40 + [0.99] * 240, [0.95] * 40 + [0.9] * 200 + [0.999] * 40, kinds)
    assert flip_threshold(found) == pytest.approx(lambda_flip(0.7, 0.95))
    assert flip_threshold(found.keep(found.kind != "item_next 7")) == math.inf
    assert flip_threshold(Positions.of([], [], [])) == math.inf


def test_single_odd_positions_of_a_step_do_not_flip_it_but_more_than_a_share_do():
    def step(odd):
        return Positions.of([0] * 100, [0.6] * odd + [0.9] * (100 - odd), [0.95] * 100, ["colon 1"] * 100)

    assert flip_threshold(step(4)) == pytest.approx(lambda_flip(0.9, 0.95))
    assert flip_threshold(step(6)) == pytest.approx(lambda_flip(0.6, 0.95))
    # Without a name each position is a step of its own.
    assert flip_threshold(Positions.of([0, 0], [0.6, 0.9], [0.95, 0.95])) == pytest.approx(lambda_flip(0.6, 0.95))


def test_the_safety_form_is_below_the_scale_where_the_base_is_the_same():
    p = [0.99, 0.995, 0.9999, 0.97]
    found = Positions.of([0, 0, 1, 1], p, [0.6] * 4)
    strict = safety_threshold(found, 5, "position_max").value
    assert strict == pytest.approx(lambda_star(0.9999, 0.6, 5), abs=1e-3)
    assert strict < operating_threshold(found, 5).value


@given(rows, names)
def test_drawing_each_prompt_alike_changes_nothing(table, name):
    found = positions(table)
    doubled = aggregate(found, name, np.full((1, found.prompts), 2.0))
    assert [float(v[0]) for v in doubled] == pytest.approx([float(v[0]) for v in aggregate(found, name)])


@given(rows, names, st.data())
def test_a_draw_is_the_data_in_which_prompts_are_repeated(table, name, data):
    found = positions(table)
    times = data.draw(st.lists(st.integers(0, 3), min_size=found.prompts, max_size=found.prompts).filter(any))
    labels = sorted({row[0] for row in table})
    repeated = [((prompt, copy), p, b) for prompt, p, b in table for copy in range(times[labels.index(prompt)])]
    numbers = {key: at for at, key in enumerate(dict.fromkeys(key for key, _, _ in repeated))}
    spelled = positions([(numbers[key], p, b) for key, p, b in repeated])
    drawn = [float(v[0]) for v in aggregate(found, name, np.array([times], dtype=float))]
    assert drawn == pytest.approx([float(v[0]) for v in aggregate(spelled, name)])


def test_averaging_probabilities_and_log_odds_differ_much():
    found = Positions.of([0, 0], [0.9, 0.99999], [0.5, 0.5])
    mean, odds = (operating_threshold(found, 5, name).value for name in ("mean", "logit_mean"))
    assert mean - odds > 0.2


def test_the_filter_keeps_the_scaffold_and_forgets_prompts_without_any():
    found = Positions.of(["a", "a", "b", "c"], [0.99, 0.5, 0.4, 0.95], [0.9] * 4, ["x", "y", "x", "z"])
    kept = found.scaffold(0.9)
    assert kept.p.tolist() == [0.99, 0.95]
    assert kept.prompts == 2
    assert kept.kind.tolist() == ["x", "z"]
    assert found.prompts == 3


def test_certainty_is_moved_to_the_resolution_of_fp32():
    found = Positions.of([0, 0], [1.0, 0.0], [0.0, 1.0])
    assert found.p.tolist() == [1 - RESOLUTION, RESOLUTION] == found.b.tolist()[::-1]
    assert np.float32(1) - np.nextafter(np.float32(1), np.float32(0)) == RESOLUTION
    assert math.isfinite(tightest_threshold(found, 5))


def test_wrong_columns_are_refused_in_one_line():
    with pytest.raises(UserError, match="columns of different lengths: prompt 2, p 1, b 1, kind 1"):
        Positions.of([0, 1], [0.9], [0.5])
    with pytest.raises(UserError, match=r"p must be a probability, not -0\.01"):
        Positions.of([0], [-0.01], [0.5])
    with pytest.raises(UserError, match="b must be a probability, not nan"):
        Positions.of([0], [0.5], [math.nan])


def test_no_positions_and_unknown_names_are_refused():
    none = Positions.of([], [], [])
    for ask in (operating_threshold, safety_threshold, tightest_threshold):
        with pytest.raises(UserError, match="no scaffold position"):
            ask(none, 5)
    with pytest.raises(UserError, match=r"unknown aggregator 'maen'.*did you mean 'mean'"):
        operating_threshold(Positions.of([0], [0.9], [0.5]), 5, "maen")
    with pytest.raises(UserError, match="the cap c must be above 1"):
        operating_threshold(Positions.of([0], [0.9], [0.5]), 1)


@given(rows, names, st.floats(1.5, 20))
def test_without_a_base_every_aggregate_is_base_neutral(table, name, c):
    """The b that the log-ratio to 1/2 implies would be 1/2 only where all p are the same."""
    found = positions(table).without_base()
    p, b = aggregate(found, name)
    assert (p[0], b[0]) == (aggregate(positions(table), name)[0][0], 0.5)
    assert operating_threshold(found, c, name).value == base_neutral(float(p[0]), c)
    assert bootstrap_interval(found, c, name, resamples=100).value == base_neutral(float(p[0]), c)
    assert tightest_threshold(found, c) == min(base_neutral(float(p), c) for p in found.p)
    assert math.isinf(flip_threshold(found))
    kept = found.keep(found.prompt == 0)
    assert float(aggregate(kept, name)[1][0]) == 0.5, "also of some of the prompts"
