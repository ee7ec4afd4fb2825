"""Intervals: exact cases, invariants, agreement with scipy, and coverage of the truth on synthetic data."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listeval.stats import intervals as stats
from listeval.stats.intervals import Interval, mean_interval, mean_intervals, rate_interval, statistic_interval, wilson

NAN = math.nan
numbers = st.floats(-100, 100)


def widths(interval):
    return interval.high - interval.low


@settings(deadline=None)
@given(st.lists(numbers, min_size=2, max_size=30, unique=True), st.integers(0, 3))
def test_the_mean_is_exact_and_inside_its_interval(values, seed):
    found = mean_interval(values, bounds=(-100, 100), seed=seed, resamples=500)
    assert found.value == math.fsum(values) / len(values)
    assert -100 - 1e-9 <= found.low <= found.value <= found.high <= 100 + 1e-9


@settings(deadline=None)
@given(st.lists(numbers, min_size=2, max_size=12))
def test_the_same_arguments_give_the_same_bits_and_another_seed_other_draws(values):
    labels = [str(at % 5) for at in range(len(values))]
    once, again = (mean_interval(values, labels, seed=3, resamples=200) for _ in range(2))
    assert repr(once) == repr(again)


def test_another_seed_draws_anew():
    values = np.random.default_rng(0).random(50)
    assert mean_interval(values, seed=0) != mean_interval(values, seed=1)


def test_bits_do_not_depend_on_threads():
    code = (
        "import numpy as np; from listeval.stats.intervals import mean_interval as m;"
        "print(repr(m(np.random.default_rng(0).random(3000), resamples=2000)))"
    )
    bits = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(bits) == 1


def test_values_that_are_nan_have_no_part():
    values = np.random.default_rng(1).random(60)
    with_gaps = np.insert(values, np.arange(0, 60, 3), NAN)
    plain, gaps = mean_interval(values), mean_interval(with_gaps)
    assert gaps.value == plain.value
    assert gaps == pytest.approx(plain, abs=0.02)


@pytest.mark.parametrize(
    ("values", "clusters"), [([], None), ([NAN, NAN], None), ([0.5, NAN], None), ([1, 2], ["a", "a"])]
)
def test_fewer_than_two_clusters_have_no_interval(values, clusters):
    found = mean_interval(values, clusters, bounds=(0, 2))
    assert math.isnan(found.low) and math.isnan(found.high)
    assert math.isnan(found.value) == (not np.isfinite(values).any())


def test_equal_values_prove_nothing_without_bounds_and_stay_humble_with_them():
    assert math.isnan(mean_interval([0.0] * 16).low)
    assert mean_interval([0.0] * 16, bounds=(0, 1)) == wilson(0, 16)
    assert mean_interval([1.0] * 16, bounds=(0, 1)) == pytest.approx(wilson(16, 16))
    found = mean_interval([0.5] * 16, bounds=(-1, 1))
    share = wilson(0, 16).high
    assert found == pytest.approx((0.5, 0.5 - 1.5 * share, 0.5 + 0.5 * share))


def test_a_label_repeated_is_one_cluster_and_empty_labels_are_alone():
    values = np.random.default_rng(2).random(40)
    alone = mean_interval(values)
    assert mean_interval(values, [""] * 40) == alone
    assert mean_interval(values, [str(at) for at in range(40)]) == alone
    # Each value four times over in one cluster is the same information.
    fourfold = mean_interval(np.repeat(values, 4), [str(at) for at in range(40) for _ in range(4)])
    assert fourfold == pytest.approx(alone, abs=1e-12)
    assert widths(mean_interval(np.repeat(values, 4))) < 0.6 * widths(alone)


def test_clusters_of_different_sizes_are_weighed_by_their_samples():
    found = mean_interval([0, 0, 0, 1] * 5, [str(at // 4 * 2 + (at % 4 == 3)) for at in range(20)])
    assert found.value == 0.25
    assert found.low < 0.25 < found.high


def test_columns_share_their_draws():
    values = np.random.default_rng(3).random(30)
    labels = [str(at % 11) for at in range(30)]
    together = mean_intervals({"a": values, "b": 2 * values, "c": -values}, labels)
    assert together["a"] == mean_interval(values, labels)
    assert together["b"] == pytest.approx(tuple(2 * x for x in together["a"]))
    assert together["c"].low == pytest.approx(-together["a"].high)
    assert mean_intervals({}) == {}


def test_blocks_change_no_more_than_the_draws(monkeypatch):
    values = np.random.default_rng(4).random(50)
    whole = mean_interval(values)
    monkeypatch.setattr(stats, "_BLOCK", 1)
    stats._drawn.cache_clear()
    assert mean_interval(values) == pytest.approx(whole, abs=1e-12)


def test_kept_draws_are_the_draws(monkeypatch):
    for clusters in (50, 300):
        values = np.random.default_rng(5).normal(size=clusters)
        kept = mean_interval(values, seed=clusters)
        monkeypatch.setattr(stats, "_KEPT", 0)
        assert mean_interval(values, seed=clusters) == kept
        monkeypatch.undo()


def test_many_clusters_agree_with_the_t_interval():
    scipy_stats = pytest.importorskip("scipy.stats")
    for n in (8, 30, 400):
        values = np.random.default_rng(n).normal(size=n)
        low, high = scipy_stats.t.interval(0.95, n - 1, values.mean(), scipy_stats.sem(values))
        assert mean_interval(values) == pytest.approx((values.mean(), low, high), abs=0.12 * (high - low))


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_equals_scipy(level):
    binomtest = pytest.importorskip("scipy.stats").binomtest
    for n in (1, 2, 16, 97, 1000):
        for hits in {0, 1, n // 3, n - 1, n}:
            theirs = binomtest(hits, n).proportion_ci(confidence_level=level, method="wilson")
            assert wilson(hits, n, level=level) == pytest.approx((hits / n, theirs.low, theirs.high), abs=1e-12)


@given(st.integers(1, 400), st.data())
def test_wilson_holds_its_rate_stays_in_the_unit_interval_and_is_symmetric(n, data):
    hits = data.draw(st.integers(0, n))
    found, mirrored = wilson(hits, n), wilson(n - hits, n)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert widths(found) > 0
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - found.high, 1 - found.low), abs=1e-12)


def test_none_of_16_is_not_certainty():
    assert rate_interval([False] * 16) == Interval(0.0, 0.0, pytest.approx(0.19361, abs=1e-5))
    assert rate_interval([True] * 16) == Interval(1.0, pytest.approx(1 - 0.19361, abs=1e-5), 1.0)
    assert all(math.isnan(x) for x in rate_interval([]))


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_alone_in_their_clusters_outcomes_are_wilsons(outcomes):
    assert rate_interval(outcomes, [""] * len(outcomes)) == pytest.approx(
        wilson(sum(outcomes), len(outcomes)), abs=1e-12
    )


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcdef")), min_size=1, max_size=60))
def test_clusters_never_narrow_a_rate(pairs):
    outcomes, clusters = zip(*pairs, strict=True)
    found = rate_interval(outcomes, clusters)
    assert found.value == sum(outcomes) / len(outcomes)
    assert 0 <= found.low <= found.value + 1e-12 and found.value - 1e-12 <= found.high <= 1
    assert widths(found) >= widths(rate_interval(outcomes)) - 1e-12


def test_copies_in_a_cluster_are_worth_no_more_than_one():
    outcomes = [True, False, True, True, False, False, True, True, True, False] * 6
    labels = [str(at) for at in range(len(outcomes)) for _ in range(3)]
    copied = rate_interval(np.repeat(outcomes, 3), labels)
    assert copied == pytest.approx(rate_interval(outcomes), abs=0.01)
    assert rate_interval([True] * 48, [str(at // 3) for at in range(48)]).low == pytest.approx(wilson(16, 16).low)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95, 0.98, 0.999, 0.9999])
def test_student_quantiles_equal_scipys(level):
    t = pytest.importorskip("scipy.stats").t
    for freedom in (1, 2, 3, 4, 10, 29, 29.5, 30, 31, 99.7, 100, 10_000, 1e6):
        assert stats.student_quantile(level, freedom) == pytest.approx(t.ppf((1 + level) / 2, freedom), rel=1e-12)
    assert stats.student_quantile(0.95, 1) == pytest.approx(12.7062, abs=1e-4)
    assert stats.student_quantile(0.95, math.inf) == pytest.approx(1.959964, abs=1e-6)


FEW_CLUSTERS = {
    "normal": lambda rng, shape: rng.normal(0, 1, shape),
    "bounded": lambda rng, shape: rng.beta(2, 2, shape) - 0.5,
    "differences, most of them none": lambda rng, shape: np.where(
        rng.random(shape) < 0.7, 0, rng.uniform(-1, 1, shape)
    ),
}


@pytest.mark.parametrize("clusters", [2, 3, 5, 8, 12, 29])
@pytest.mark.parametrize("truth", FEW_CLUSTERS)
def test_two_to_thirty_clusters_cover_the_truth(clusters, truth):
    """The range of two values holds the mean half of the time: an interval that never leaves it is no interval."""
    values = FEW_CLUSTERS[truth](np.random.default_rng(clusters), (600, clusters))
    found = mean_intervals({str(at): row for at, row in enumerate(values)}, bounds={}, resamples=1_000)
    known = [one for one in found.values() if not math.isnan(one.low)]
    assert sum(one.low <= 0 <= one.high for one in known) / len(known) >= 0.92


def test_limits_stay_within_known_bounds():
    found = mean_interval([0.9, 1.0, 0.2], bounds=(0, 1))
    assert (found.low, found.high) == (0.0, 1.0)
    assert mean_interval([0.9, 1.0, 0.2]).high > 1


def test_a_column_may_have_a_level_of_its_own():
    values = np.random.default_rng(0).normal(size=80)
    found = mean_intervals({"a": values, "b": values}, levels={"b": 0.99})
    assert found["a"] == mean_interval(values)
    assert found["b"] == mean_interval(values, level=0.99)


def test_a_statistic_of_few_clusters_is_as_humble_as_a_mean():
    rng = np.random.default_rng(1)
    covered = dict.fromkeys((3, 6, 12), 0)
    for m in covered:
        for seed in range(300):
            cells, labels = (
                (rng.random(5 * m) < np.repeat(rng.beta(2, 2, m), 5)).astype(int),
                np.repeat(np.arange(m), 5),
            )
            found = statistic_interval(
                cells, lambda c: c[-1] / c.sum(0), list(map(str, labels)), bounds=(0, 1), seed=seed, resamples=300
            )
            covered[m] += not found.low > 0.5 and not found.high < 0.5
    assert min(covered.values()) / 300 >= 0.9


@pytest.mark.parametrize(
    "call",
    [
        lambda: mean_interval([1, 2], ["a"]),
        lambda: mean_intervals({"a": [1, 2], "b": [1]}),
        lambda: rate_interval([True], []),
        lambda: mean_interval([1, 2], level=1.0),
        lambda: rate_interval([], level=0.0),
        lambda: wilson(3, 2),
    ],
)
def test_bad_arguments_are_refused(call):
    with pytest.raises(ValueError):
        call()


def clustered_draw(rng, clusters, spread):
    """Values of clusters of 1-4 samples around the cluster's own mean, skewed; the mean of all is 1."""
    sizes = rng.integers(1, 5, clusters)
    labels = [str(at) for at, size in enumerate(sizes) for _ in range(size)]
    own = np.repeat(rng.gamma(1 / spread, spread, clusters), sizes)
    return own * rng.gamma(4, 0.25, len(own)), labels


@pytest.mark.parametrize("clusters", [16, 60])
def test_mean_intervals_cover_the_truth(clusters):
    rng = np.random.default_rng(clusters)
    trials, hits, naive = 600, 0, 0
    for seed in range(trials):
        values, labels = clustered_draw(rng, clusters, 0.25)
        found, blind = mean_interval(values, labels, seed=seed, resamples=1000), mean_interval(values, resamples=1000)
        hits += found.low <= 1 <= found.high
        naive += blind.low <= 1 <= blind.high
    # Three standard errors of 600 trials are 2.7 points; skew costs a small sample a little more.
    assert 0.915 <= hits / trials <= 0.975
    assert naive < hits


@pytest.mark.parametrize("clusters", [16, 60])
def test_rate_intervals_cover_the_truth(clusters):
    rng = np.random.default_rng(clusters)
    trials, hits, naive = 1000, 0, 0
    for _ in range(trials):
        sizes = rng.integers(1, 5, clusters)
        outcomes = rng.random(sizes.sum()) < np.repeat(rng.beta(0.9, 0.3, clusters), sizes)
        labels = [str(at) for at, size in enumerate(sizes) for _ in range(size)]
        found, blind = rate_interval(outcomes, labels), rate_interval(outcomes)
        hits += found.low <= 0.75 <= found.high
        naive += blind.low <= 0.75 <= blind.high
    assert 0.925 <= hits / trials <= 0.985
    assert naive < hits
