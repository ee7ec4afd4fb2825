"""Paired comparison: equal to scipy and published figures on small cases, calibrated on synthetic nulls."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.stats.intervals import wilson
from listeval.stats.paired import _binomial, holm, mcnemar, paired_means, paired_rate, sign_flip, tango


def outcomes(both, lost, gained, neither):
    """Two columns of 0 and 1 with these four counts."""
    pairs = [(1, 1)] * both + [(1, 0)] * lost + [(0, 1)] * gained + [(0, 0)] * neither
    return [a for a, _ in pairs], [b for _, b in pairs]


@pytest.mark.parametrize(("gained", "lost"), [(3, 9), (0, 5), (12, 12), (1, 0), (20, 4)])
def test_mcnemar_is_the_binomial_test(gained, lost):
    stats = pytest.importorskip("scipy.stats")
    p, name = mcnemar(np.array([1] * gained + [-1] * lost + [0] * 7))
    assert name == "exact McNemar"
    assert p == pytest.approx(stats.binomtest(gained, gained + lost).pvalue, rel=1e-12)


@pytest.mark.parametrize(("gained", "lost"), [(30, 14), (25, 0), (40, 41)])
def test_many_discordant_pairs_take_the_mid_p(gained, lost):
    stats = pytest.importorskip("scipy.stats")
    n = gained + lost
    p, name = mcnemar(np.array([1] * gained + [-1] * lost))
    assert name == "mid-p McNemar"
    assert p == pytest.approx(stats.binomtest(gained, n).pvalue - stats.binom.pmf(gained, n, 0.5), rel=1e-9)


@pytest.mark.parametrize("n", [1, 2, 24, 25, 500, 3000])
def test_a_fair_coin_is_scipys(n):
    stats = pytest.importorskip("scipy.stats")
    assert _binomial(n) == pytest.approx(stats.binom.pmf(np.arange(n + 1), n, 0.5), rel=1e-10)


def test_no_discordant_pair_is_no_evidence():
    assert mcnemar(np.zeros(9, dtype=int)) == (1.0, "exact McNemar")


@given(st.lists(st.integers(-4, 4), min_size=2, max_size=10))
def test_clustered_mcnemar_is_the_sign_flip_of_all_patterns(sums):
    stats = pytest.importorskip("scipy.stats")
    p, _ = mcnemar(np.array(sums))
    columns = (np.array(sums, dtype=float), np.zeros(len(sums)))
    peer = stats.permutation_test(columns, lambda a, b: np.sum(a - b), permutation_type="samples", n_resamples=2000)
    assert p == pytest.approx(peer.pvalue, abs=1e-12)


def test_tango_is_the_published_interval():
    """Newcombe 1998 (Stat. Med. 17), table II, first data set (12 and 2 discordant of 50): 0.0611 to 0.3447."""
    assert tango(12, 2, 50) == pytest.approx((0.0611, 0.3447), abs=5e-5)


@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.one_of(st.integers(1, 3000), st.floats(0.5, 2000)),
    st.sampled_from([0.8, 0.95, 0.999]),
)
def test_tango_limits_hold_the_estimate_and_mirror_each_other(share, rest, n, level):
    gained = share * n
    lost = rest * (n - gained)
    low, high = tango(gained, lost, n, level=level)
    assert -1 <= low <= (gained - lost) / n <= high <= 1
    assert low < high
    assert tango(lost, gained, n, level=level) == pytest.approx((-high, -low), abs=1e-9)


@pytest.mark.parametrize(("n", "level"), [(1, 0.95), (30, 0.95), (1319, 0.99)])
def test_tango_without_a_discordant_pair_is_in_closed_form(n, level):
    """Where no pair disagrees the limits are those of Wilson's interval for 0 of n."""
    assert tango(0, 0, n, level=level)[1] == pytest.approx(wilson(0, n, level=level).high, rel=1e-12)


@pytest.mark.parametrize("counts", [(9, 3, 40), (0, 5, 60), (0, 0, 30), (1, 0, 44), (17, 8.5, 61.3)])
def test_tango_limits_are_where_the_score_test_stops_rejecting(counts):
    optimize = pytest.importorskip("scipy.optimize")
    gained, lost, n = counts

    def score(delta):
        def loss(rate):
            parts = ((gained, rate + delta), (lost, rate), (n - gained - lost, 1 - 2 * rate - delta))
            return -sum(k * math.log(max(p, 1e-300)) for k, p in parts)

        bounds = (max(0.0, -delta), (1 - delta) / 2)
        rate = optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
        return (gained - lost - n * delta) / math.sqrt(n * (2 * rate + delta * (1 - delta)))

    low, high = tango(gained, lost, n)
    assert score(low) == pytest.approx(1.95996, abs=2e-3)
    assert score(high) == pytest.approx(-1.95996, abs=2e-3)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_rate_difference_is_antisymmetric_and_inside_its_interval(both, lost, gained, neither):
    before, after = outcomes(both, lost, gained, neither)
    there, back = paired_rate(before, after), paired_rate(after, before)
    if not before:
        assert math.isnan(there.difference.value)
        return
    value, low, high = there.difference
    assert -1 <= low <= value + 1e-9 <= high + 2e-9 <= 1 + 1e-8
    assert back.difference == pytest.approx((-value, -high, -low), abs=1e-9)
    assert back.p == pytest.approx(there.p, abs=1e-12)
    assert (back.gained, back.lost) == (there.lost, there.gained)


def test_odds_ratio_is_gained_over_lost():
    d = paired_rate(*outcomes(10, 3, 12, 5))
    assert d.effect.value == pytest.approx(4.0)
    assert d.effect.low < 4 < d.effect.high
    assert math.isinf(paired_rate(*outcomes(10, 0, 2, 0)).effect.value)


def test_copies_of_a_sample_add_no_evidence():
    """Ten identical seeds of each example are one cluster each: they say what one of them says."""
    before, after = outcomes(10, 3, 12, 5)
    alone = paired_rate(before, after)
    labels = [f"e{at}" for at in range(30) for _ in range(10)]
    copied = paired_rate(np.repeat(before, 10), np.repeat(after, 10), labels)
    # A little wider: 30 clusters have a t quantile, where 30 pairs have the normal one.
    assert alone.difference.low - 0.02 < copied.difference.low <= alone.difference.low
    assert copied.p == pytest.approx(alone.p, rel=1e-9)
    naive = paired_rate(np.repeat(before, 10), np.repeat(after, 10))
    assert naive.difference.low > copied.difference.low + 0.1
    assert naive.p < copied.p / 100


def test_sign_flip_is_scipys_permutation_test():
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(3).normal(0.4, 1, (2, 11))
    for row, (p, name) in zip(values, sign_flip(values), strict=True):
        peer = stats.permutation_test(
            (row, np.zeros(11)), lambda a, b: np.sum(a - b), permutation_type="samples", n_resamples=10_000
        )
        assert (p, name) == (pytest.approx(peer.pvalue, abs=1e-12), "exact sign-flip")


def test_sign_flip_of_many_agrees_with_the_t_test():
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(4).normal(0.15, 1, (1, 300))
    [(p, name)] = sign_flip(values)
    assert name == "sign-flip"
    assert p == pytest.approx(stats.ttest_1samp(values[0], 0).pvalue, abs=0.005)


def test_paired_interval_agrees_with_scipys_bootstrap():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(5)
    x, y = rng.random(400), rng.random(400) + 0.05
    low, high = paired_means({"m": (x, y)})["m"].difference[1:]
    peer = stats.bootstrap((y - x,), np.mean, method="percentile", rng=rng).confidence_interval
    assert (low, high) == pytest.approx((peer.low, peer.high), abs=0.004)


def test_pairing_is_what_narrows_the_interval():
    rng = np.random.default_rng(6)
    x = rng.normal(0, 1, 200)
    y = x + rng.normal(0.1, 0.1, 200)
    width = np.subtract(*paired_means({"m": (x, y)})["m"].difference[:0:-1])
    loose = np.subtract(*paired_means({"m": (x, rng.permutation(y))})["m"].difference[:0:-1])
    assert width < loose / 5


def test_a_pair_needs_both_values():
    d = paired_means({"m": ([1, math.nan, 3, 4], [2, 5, math.nan, 6])})["m"]
    assert (d.n, d.before, d.after, d.difference.value) == (2, 2.5, 4.0, 1.5)
    assert paired_means({"m": ([math.nan], [1.0])})["m"].n == 0


def test_effect_is_the_standardised_paired_difference():
    x, y = np.array([1.0, 2, 3, 4]), np.array([2.0, 2, 5, 5])
    assert paired_means({"m": (x, y)})["m"].effect.value == pytest.approx((y - x).mean() / (y - x).std(ddof=1))


def test_only_what_is_tested_has_a_p():
    columns = {name: (np.zeros(5), np.arange(5.0)) for name in "ab"}
    found = paired_means(columns, tested=["a"])
    assert found["a"].p == 0.125
    assert math.isnan(found["b"].p)
    assert found["b"].test == ""


def test_holm_is_the_textbook_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, math.nan, 0.8]) == pytest.approx([1.0, math.nan, 1.0], nan_ok=True)
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_order_and_lies_between_p_and_bonferroni(chances):
    adjusted = holm(chances)
    for p, q in zip(chances, adjusted, strict=True):
        assert p <= q <= min(1.0, p * len(chances)) + 1e-12
    ranked = sorted(range(len(chances)), key=lambda at: chances[at])
    assert [adjusted[at] for at in ranked] == sorted(adjusted)


_BITS = """
import numpy as np
from listeval.stats.paired import paired_means
rng = np.random.default_rng(0)
x, y = rng.random((2, 12, 700))
d = paired_means({at: (x[at], y[at]) for at in range(12)}, tested=range(12))
print([(value.difference, value.p) for value in d.values()])
"""


def test_same_bits_whatever_the_number_of_threads():
    said = set()
    for threads in ("1", "2", "4"):
        env = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "PYTHONPATH": ":".join(sys.path)}
        said.add(
            subprocess.run([sys.executable, "-c", _BITS], env=env, capture_output=True, text=True, check=True).stdout
        )
    assert len(said) == 1


SIMULATED = 4_000
"""At 95 % the standard error of a coverage is 0.34 points, so one point either way is three of them."""


@pytest.mark.slow
def test_intervals_of_means_cover_95_percent_of_nulls():
    """Zero-inflated differences (failures count zero) in 120 clusters of one to three samples, true difference 0."""
    rng = np.random.default_rng(7)
    labels = [f"c{at}" for at in range(120) for _ in range(1 + at % 3)]
    shift = np.array([int(label[1:]) for label in labels])
    covered = 0
    for _ in range(SIMULATED // 250):
        ease = rng.normal(0, 0.2, (250, 120))[:, shift]
        x, y = (np.where(rng.random(ease.shape) < 0.6, ease * sign + rng.random(ease.shape), 0) for sign in (1, -1))
        found = paired_means({at: (x[at], y[at]) for at in range(250)}, labels, resamples=4_000)
        covered += sum(d.difference.low <= 0 <= d.difference.high for d in found.values())
    assert covered / SIMULATED == pytest.approx(0.95, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_of_rates_cover_95_percent(clustered):
    """Paired rates 0.6 and 0.6, or in clusters of three seeds that share their luck."""
    rng, covered = np.random.default_rng(8), 0
    labels = [f"e{at // 3}" for at in range(360)] if clustered else None
    for _ in range(SIMULATED):
        ease = np.repeat(rng.normal(0, 1.2, 120), 3) if clustered else rng.normal(0, 1.2, 360)
        before, after = (rng.random(360) < 1 / (1 + np.exp(-0.5 - ease)) for _ in range(2))
        d = paired_rate(before, after, labels).difference
        covered += d.low <= 0 <= d.high
    assert covered / SIMULATED == pytest.approx(0.95, abs=0.01)


@pytest.mark.slow
def test_the_family_has_a_false_positive_in_at_most_5_percent_of_nulls():
    """Five arms that do not differ from the baseline, three headline figures each, as `compare` tests them."""
    rng, wrong, families = np.random.default_rng(9), 0, 2_000
    for _ in range(families):
        parsed = rng.random((6, 80)) < 0.7
        quality = rng.beta(2, 2, (6, 80))
        useful, common = np.where(parsed, quality, 0), np.where(parsed.all(axis=0), quality, np.nan)
        means = {(k, at): (c[0], c[at]) for k, c in (("u", useful), ("c", common)) for at in range(1, 6)}
        found = paired_means(means, tested=list(means), resamples=999)
        chances = [paired_rate(parsed[0], parsed[at]).p for at in range(1, 6)] + [d.p for d in found.values()]
        wrong += min(holm(chances)) <= 0.05
    # Three standard errors above the level that Holm promises.
    assert wrong / families <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / families)
