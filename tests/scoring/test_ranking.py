"""Properties of the ranking metrics, and NDCG of tied scores against the mean over every order of the tied items."""

import math
import warnings
from fractions import Fraction
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listeval.scoring import ranking

NAN = math.nan
grade = st.sampled_from([-1.0, 0.0, 1.0, 2.0, 3.5, 7.0])
score = st.sampled_from([-2.0, 0.0, 0.25, 1.0, 9.0])
# A slot: graded and scored, graded and lacking in the answer, or empty.
slot = st.one_of(st.tuples(grade, score), st.tuples(grade, st.just(NAN)), st.tuples(st.just(NAN), score))
group = st.lists(slot, min_size=1, max_size=7)


def arrays(slots):
    both = np.array(slots, dtype=float).T
    return both[:1], both[1:]


def every_order(slots):
    """Every ranking that the scores allow: best score first, lacking items last, ties in each order."""
    present = [(g, -math.inf if math.isnan(s) else s) for g, s in slots if not math.isnan(g)]
    levels = sorted({s for _, s in present}, reverse=True)
    for parts in product(*(permutations([g for g, s in present if s == level]) for level in levels)):
        yield [g for part in parts for g in part]


def dcg(grades, k):
    return math.fsum(max(g, 0.0) / math.log2(rank + 1) for rank, g in enumerate(grades[:k], start=1))


@settings(deadline=None)
@given(st.lists(slot, min_size=1, max_size=6), st.integers(1, 8))
def test_ndcg_of_ties_is_the_mean_over_all_their_orders(slots, k):
    found = ranking.ndcg(*arrays(slots), k)[0]
    orders = list(every_order(slots))
    ideal = dcg(sorted((g for g, _ in slots if not math.isnan(g)), reverse=True), k)
    if ideal == 0:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(math.fsum(dcg(o, k) for o in orders) / len(orders) / ideal, abs=1e-12)


@given(group)
def test_tau_is_the_count_of_pairs(slots):
    present = [(g, -math.inf if math.isnan(s) else s) for g, s in slots if not math.isnan(g)]
    pairs = [(a, b) for i, a in enumerate(present) for b in present[:i]]
    signs = [((a[0] > b[0]) - (a[0] < b[0]), (a[1] > b[1]) - (a[1] < b[1])) for a, b in pairs]
    untied = [sum(x[side] != 0 for x in signs) for side in (0, 1)]
    found = ranking.kendall_tau(*arrays(slots))[0]
    if untied[0] == 0:
        assert math.isnan(found)
    elif untied[1] == 0:
        assert found == 0
    else:
        assert found == pytest.approx(sum(g * s for g, s in signs) / math.sqrt(untied[0] * untied[1]), abs=1e-12)


@given(group, st.randoms(use_true_random=False))
def test_the_order_of_the_items_does_not_matter(slots, random):
    shuffled = random.sample(slots, len(slots))
    before, after = (ranking.listwise(*arrays(s), (1, 3, 8)) for s in (slots, shuffled))
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@given(group, st.integers(1, 4))
def test_padding_changes_nothing(slots, extra):
    before, after = (ranking.listwise(*arrays(s), (1, 3, 8)) for s in (slots, [*slots, *[(NAN, 5.0)] * extra]))
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@given(group)
def test_ndcg_and_tau_see_only_the_order_of_the_scores(slots):
    grades, scores = arrays(slots)
    before, after = (ranking.listwise(grades, s, (1, 3)) for s in (scores, np.exp(scores) * 3 - 40))
    np.testing.assert_array_equal(before.ndcg, after.ndcg)
    np.testing.assert_array_equal(before.kendall_tau, after.kendall_tau)


@given(group)
def test_ranges_and_extremes(slots):
    grades, scores = arrays(slots)
    found = ranking.listwise(grades, scores, (1, 8))
    assert np.all(np.isnan(found.ndcg) | ((found.ndcg >= 0) & (found.ndcg <= 1 + 1e-12)))
    assert np.all(np.isnan(found.kendall_tau) | (np.abs(found.kendall_tau) <= 1 + 1e-12))
    best = ranking.listwise(grades, grades, (1, 8))
    assert np.all(np.isnan(best.ndcg) | (np.abs(best.ndcg - 1) < 1e-12))
    assert np.all(np.isnan(best.kendall_tau) | (np.abs(best.kendall_tau - 1) < 1e-12))
    reverse = ranking.kendall_tau(grades, -grades)
    assert np.all(np.isnan(reverse) | (np.abs(reverse + 1) < 1e-12))


@settings(deadline=None)
@given(
    st.sampled_from([1, 5, 9, 20]), st.integers(1, 40), st.integers(0, 2**32 - 1), st.sampled_from([1, 700, 1 << 17])
)
def test_blocks_and_batches_change_no_bit(items, n, seed, block):
    rng = np.random.default_rng(seed)
    grades, scores = rng.integers(-1, 6, (n, items)) * 0.7, rng.integers(0, 2 * items, (n, items)) * 0.3
    grades[rng.random(grades.shape) < 0.1] = NAN
    scores[rng.random(grades.shape) < 0.1] = NAN
    whole = ranking.listwise(grades, scores, (1, 4, 12))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "_BLOCK", block)
        again = ranking.listwise(grades, scores, (1, 4, 12))
    single = [ranking.listwise(grades[at : at + 1], scores[at : at + 1], (1, 4, 12)) for at in range(n)]
    joined = [np.concatenate(part, axis=-1) for part in zip(*single, strict=True)]
    for a, b, c in zip(whole, again, joined, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    np.testing.assert_array_equal(whole.ndcg[1], ranking.ndcg(grades, scores, 4))
    np.testing.assert_array_equal(whole.kendall_tau, ranking.kendall_tau(grades, scores))
    np.testing.assert_array_equal(whole.mae, ranking.mae(grades, scores))


@pytest.mark.parametrize("items", [8, 300])
def test_large_groups_agree_with_sorting(items):
    rng = np.random.default_rng(items)
    grades = rng.integers(0, 5, (20, items)).astype(float)
    scores = rng.permuted(np.tile(np.arange(items), (20, 1)), axis=1)
    ranked = np.take_along_axis(grades, np.argsort(-scores, axis=1), axis=1)
    expected = [dcg(r, 10) / dcg(sorted(r, reverse=True), 10) for r in ranked]
    np.testing.assert_allclose(ranking.ndcg(grades, scores, 10), expected, rtol=0, atol=1e-12)


@given(st.lists(st.sampled_from([1.7e308, -1.7e308, 1e308, 3.0, 5e-324, 0.1]), min_size=1, max_size=8))
def test_scores_near_the_largest_float_overflow_nothing(scores):
    grades = [float(n % 4) for n in range(len(scores))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ranking.listwise([grades], [scores], (1, 3))
    order = sorted(set(scores))
    ranks = ranking.listwise([grades], [[float(order.index(score)) for score in scores]], (1, 3))
    np.testing.assert_array_equal(found.ndcg, ranks.ndcg)
    np.testing.assert_array_equal(found.kendall_tau, ranks.kendall_tau)
    exact = sum(abs(Fraction(s) - Fraction(g)) for s, g in zip(scores, grades, strict=True)) / len(scores)
    assert found.mae[0] == pytest.approx(float(exact), rel=1e-12)


def test_a_lacking_item_ranks_last_and_tied_with_the_other_lacking_ones():
    grades = [[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]
    found = ranking.listwise(grades, [[NAN, 5.0, NAN], [0.0, 5.0, 0.0]], (1, 2))
    np.testing.assert_array_equal(found.ndcg[:, 0], found.ndcg[:, 1])
    assert found.kendall_tau[0] == found.kendall_tau[1]
    assert found.ndcg[1][0] == pytest.approx((2 + 2 / math.log2(3)) / (3 + 2 / math.log2(3)))
    assert found.mae.tolist() == [3.0, pytest.approx((3 + 3 + 1) / 3)]


def test_what_is_undefined_is_nan():
    constant, empty, varied = [2.0, 2.0], [NAN, NAN], [0.0, 4.0]
    found = ranking.listwise([constant, empty, varied, [0.0, -1.0]], [[1, 2], [1, 2], [7, 7], [NAN, NAN]], (1,))
    np.testing.assert_array_equal(found.ndcg, [[1.0, NAN, 0.5, NAN]])
    np.testing.assert_array_equal(found.kendall_tau, [NAN, NAN, 0.0, 0.0])
    np.testing.assert_array_equal(found.mae, [0.5, NAN, 5.0, NAN])


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 0)])
def test_nothing_to_rank(shape):
    found = ranking.listwise(np.zeros(shape), np.zeros(shape), (1, 8))
    assert found.ndcg.shape == (2, shape[0])
    assert np.isnan(found.ndcg).all() and np.isnan(found.kendall_tau).all() and np.isnan(found.mae).all()


def test_inputs_stay_as_they_were():
    grades, scores = np.array([[1.0, NAN, 0.0]]), np.array([[NAN, 2.0, 3.0]])
    copies = grades.copy(), scores.copy()
    ranking.listwise(grades, scores, (1,))
    np.testing.assert_array_equal(copies, (grades, scores))


def test_bad_shapes_and_cutoffs_are_refused():
    with pytest.raises(ValueError, match=r"\(n, K\)"):
        ranking.ndcg([1.0, 2.0], [1.0, 2.0], 1)
    with pytest.raises(ValueError, match=r"\(1, 2\) and \(1, 3\)"):
        ranking.kendall_tau([[1, 2]], [[1, 2, 3]])
    with pytest.raises(ValueError, match="at least 1"):
        ranking.ndcg([[1, 2]], [[1, 2]], 0)


def test_padded_keeps_the_groups():
    np.testing.assert_array_equal(ranking.padded([[1, 2, 3], [4]]), [[1, 2, 3], [4, NAN, NAN]])
    assert ranking.padded([]).shape == (0, 0) and ranking.padded([[], []]).shape == (2, 0)


@pytest.mark.parametrize(
    ("grades", "scores", "expected"),
    [
        ([10, 0, 0, 1, 5], [1, 1, 1, 1, 1], 0.690979),
        ([10, 0, 0, 1, 5], [1, 1, 1, 0.5, 0.5], 0.699812),
        ([0, 1], [16777216.0, 16777217.0], 1.0),
    ],
)
def test_ndcg_of_situations_from_public_reports(grades, scores, expected):
    """A constant answer, tied groups, scores that only float64 tells apart."""
    found = ranking.listwise(np.array([grades], float), np.array([scores], float), (8,))
    assert found.ndcg[0, 0] == pytest.approx(expected, abs=1e-6)


def test_a_negative_grade_keeps_ndcg_within_its_bounds():
    assert 0 <= ranking.listwise(np.array([[-1.0, 0, 2]]), np.array([[3.0, 2, 1]]), (8,)).ndcg[0, 0] <= 1
