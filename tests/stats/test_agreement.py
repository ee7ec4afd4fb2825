"""Agreement against scipy and scikit-learn, its conventions, and intervals that know which texts belong together."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.stats.agreement import against_votes, agreement
from listeval.stats.intervals import statistic_interval

GRADES = st.integers(0, 10)
PAIRS = st.lists(st.tuples(GRADES, GRADES), min_size=1, max_size=40)


def both(pairs):
    return [a for a, _ in pairs], [b for _, b in pairs]


def alone(pairs):
    return agreement(*both(pairs), [""] * len(pairs))


@given(PAIRS)
@pytest.mark.filterwarnings("ignore")
def test_kappa_equals_scikit_learn(pairs):
    metrics = pytest.importorskip("sklearn.metrics", reason="the oracle of weighted kappa is scikit-learn")
    a, b = both(pairs)
    theirs = metrics.cohen_kappa_score(a, b, labels=list(range(11)), weights="quadratic")
    assert alone(pairs).kappa.value == pytest.approx(theirs, abs=1e-12, nan_ok=True)


@given(PAIRS)
@pytest.mark.filterwarnings("ignore")
def test_tau_and_mae_equal_scipy_and_numpy(pairs):
    scipy_stats = pytest.importorskip("scipy.stats", reason="the oracle of tau-b is scipy")
    a, b = both(pairs)
    ours = alone(pairs)
    assert ours.kendall_tau.value == pytest.approx(scipy_stats.kendalltau(a, b).statistic, abs=1e-12, nan_ok=True)
    assert ours.mae.value == pytest.approx(np.abs(np.subtract(a, b)).mean())


@given(st.lists(st.tuples(GRADES, st.integers(0, 200), st.sampled_from("pqr")), min_size=2, max_size=60))
@pytest.mark.filterwarnings("ignore")
def test_tau_within_is_the_mean_of_scipy_over_products(rows):
    scipy_stats = pytest.importorskip("scipy.stats", reason="the oracle of tau-b is scipy")
    taus, voted = [], []
    for product in "pqr":
        a, b = [g for g, _, p in rows if p == product], [v for _, v, p in rows if p == product]
        tau = scipy_stats.kendalltau(a, b).statistic if len(a) > 1 else math.nan
        taus += [] if math.isnan(tau) else [tau]
        if len(set(b)) > 1:
            voted.append(0.0 if math.isnan(tau) else tau)
    grades, votes, products = zip(*rows, strict=True)
    ours = agreement(grades, votes, products)
    assert ours.products == len(taus)
    assert ours.tau_within.value == pytest.approx(np.mean(taus) if taus else math.nan, abs=1e-12, nan_ok=True)
    ranked = against_votes(grades, votes, products)
    assert ranked.products == len(voted)
    assert ranked.tau_within.value == pytest.approx(np.mean(voted) if voted else math.nan, abs=1e-12, nan_ok=True)


@given(PAIRS)
def test_it_is_symmetric_and_ignores_the_order_of_texts(pairs):
    turned = alone([(b, a) for a, b in reversed(pairs)])
    ours = alone(pairs)
    for name in ("kappa", "kendall_tau", "mae"):
        value = getattr(ours, name).value
        assert getattr(turned, name).value == pytest.approx(value, abs=1e-12, nan_ok=True)


def test_what_is_undefined_is_nan_and_never_an_error():
    for pairs in ([], [(3, 3)], [(3, 3)] * 4, [(3, 5), (3, 7)]):
        found = alone(pairs)
        assert found.n == len(pairs)
        assert math.isnan(found.kendall_tau.value)
        assert math.isnan(found.tau_within.value)
    assert math.isnan(alone([(3, 3)] * 4).kappa.value)
    assert alone([(3, 5), (3, 7)]).kappa.value == 0.0
    assert math.isnan(against_votes([1, 2], [5, 5], ["p", "p"]).tau_within.value)


def test_perfect_and_opposite_raters():
    assert alone([(g, g) for g in range(11)]).kappa.value == 1.0
    assert alone([(g, 10 - g) for g in range(11)]).kappa.value == pytest.approx(-1.0)
    assert alone([(g, 10 - g) for g in range(11)]).kendall_tau.value == -1.0


def test_equal_grades_rank_nothing_but_are_counted():
    ranked = against_votes([5, 5, 1, 9], [0, 7, 2, 3], ["p", "p", "q", "q"])
    assert (ranked.n, ranked.products, ranked.tau_within.value) == (4, 2, 0.5)


def test_votes_are_not_compared_across_products():
    grades, votes = [1, 2, 1, 2], [100, 200, 1, 2]
    assert against_votes(grades, votes, ["p", "p", "q", "q"]).tau_within.value == 1.0
    assert against_votes(grades, votes, ["", "", "", ""]).products == 0


def test_lengths_and_continuous_grades_are_refused():
    with pytest.raises(ValueError, match="2 and 1 grades"):
        agreement([1, 2], [1], ["", ""])
    with pytest.raises(ValueError, match="2 votes"):
        against_votes([1], [1, 2], [""])
    with pytest.raises(ValueError, match="different grades"):
        agreement(np.linspace(0, 1, 200), np.zeros(200), [""] * 200)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(5)

    # Two raters that see the same quality with independent noise: kappa of many texts stands for the truth.
    def raters(n):
        quality = rng.normal(5, 2, n)
        return (np.clip(np.round(quality + rng.normal(0, 1.5, n)), 0, 10) for _ in range(2))

    a, b = raters(40_000)
    truth = agreement(a, b, ["p", "q"] * 20_000)
    hits = {"kappa": 0, "kendall_tau": 0}
    for _ in range(100):
        found = alone(list(zip(*raters(60), strict=True)))
        for name in hits:
            interval = getattr(found, name)
            assert interval.low < interval.value < interval.high
            hits[name] += interval.low <= getattr(truth, name).value <= interval.high
    assert min(hits.values()) >= 88


def test_texts_of_one_product_widen_the_interval():
    rng = np.random.default_rng(1)
    a = np.repeat(rng.integers(0, 11, 30), 8)
    b = np.clip(a + np.repeat(rng.integers(-3, 4, 30), 8), 0, 10)
    clustered = agreement(a, b, [str(i) for i in range(30) for _ in range(8)])
    naive = agreement(a, b, [""] * 240)
    assert clustered.kappa.high - clustered.kappa.low > 1.5 * (naive.kappa.high - naive.kappa.low)
    assert clustered.kappa.value == naive.kappa.value


def test_the_same_grades_give_the_same_bits():
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 11, (2, 300))
    products = [str(i % 40) for i in range(300)]
    assert agreement(a, b, products) == agreement(a, b, products)


def test_statistic_interval_of_a_share_is_near_that_of_a_mean():
    from listeval.stats.intervals import mean_interval

    hits = np.array([1, 0, 0, 1, 1, 0, 1, 1] * 12)
    ours = statistic_interval(hits, lambda counts: counts[1] / counts.sum(0), resamples=10_000)
    assert ours == pytest.approx(mean_interval(hits), abs=0.01)
