"""Our ranking metrics against trec_eval (through pytrec_eval) and scipy, to 1e-12."""

from itertools import permutations

import numpy as np
import pytest

from listeval.scoring import ranking

CUTOFFS = (1, 2, 3, 5, 8, 10, 40)


def trec_ndcg(grades, scores, cutoffs):
    """(len(cutoffs), n) from pytrec_eval. NaN slots are left out. trec_eval holds scores as float32."""
    pytrec_eval = pytest.importorskip("pytrec_eval")
    names = [
        ([f"d{at:03}" for at in np.flatnonzero(~np.isnan(g))], np.flatnonzero(~np.isnan(g))) for g in np.asarray(grades)
    ]
    qrel = {f"q{q}": {d: int(grades[q][at]) for d, at in zip(*ids, strict=True)} for q, ids in enumerate(names)}
    run = {f"q{q}": {d: float(scores[q][at]) for d, at in zip(*ids, strict=True)} for q, ids in enumerate(names)}
    measure = "ndcg_cut." + ",".join(map(str, cutoffs))
    found = pytrec_eval.RelevanceEvaluator(qrel, {measure}).evaluate(run)
    return np.array([[found[f"q{q}"][f"ndcg_cut_{k}"] for q in range(len(names))] for k in cutoffs])


@pytest.mark.parametrize("seed", range(5))
def test_ndcg_equals_trec_eval_on_ragged_lists_without_ties(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 41, 300)
    grades = ranking.padded([rng.integers(0, 6, length).tolist() for length in lengths])
    # Whole numbers are exact as float32, so trec_eval sees no ties that we do not.
    scores = rng.permuted(np.tile(np.arange(grades.shape[1], dtype=float), (len(lengths), 1)), axis=1)
    ours = ranking.listwise(grades, scores, CUTOFFS).ndcg
    defined = ~np.isnan(ours[0])
    assert defined.sum() > 200
    theirs = trec_ndcg(grades, scores, CUTOFFS)
    np.testing.assert_allclose(ours[:, defined], theirs[:, defined], rtol=0, atol=1e-12)
    # Where no grade is positive, trec_eval says 0 and we say NaN.
    assert not theirs[:, ~defined].any()


def test_negative_grades_gain_nothing_in_trec_eval_either():
    grades, scores = np.array([[-2.0, 1.0, 3.0, 0.0]]), np.array([[3.0, 2.0, 1.0, 0.0]])
    ours = ranking.listwise(grades, scores, (1, 2, 3, 4)).ndcg
    np.testing.assert_allclose(ours, trec_ndcg(grades, scores, (1, 2, 3, 4)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_ndcg_of_ties_is_the_mean_of_trec_eval_over_all_tie_breaks(seed):
    rng = np.random.default_rng(seed)
    grades, scores = rng.integers(0, 4, (1, 5)).astype(float), rng.integers(0, 3, (1, 5)).astype(float)
    grades[0, rng.integers(5)] = 3
    # A fraction of the distance between scores breaks ties in each of the 120 orders, all equally often.
    broken = scores + np.array(list(permutations(range(5)))) / 64
    theirs = trec_ndcg(np.repeat(grades, len(broken), axis=0), broken, (1, 2, 3, 5)).mean(axis=1)
    ours = ranking.listwise(grades, scores, (1, 2, 3, 5)).ndcg[:, 0]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_scores_that_differ_only_beyond_float32_are_a_tie_for_trec_eval_and_not_for_us():
    grades, scores = np.array([[0.0, 1.0]]), np.array([[1.0, 1.0 + 1e-12]])
    assert ranking.ndcg(grades, scores, 1)[0] == 1
    swapped = trec_ndcg(grades[:, ::-1], scores[:, ::-1], (1,)), trec_ndcg(grades, scores, (1,))
    assert sorted(float(x[0, 0]) for x in swapped) == [0, 1]


@pytest.mark.parametrize("levels", [3, 8, 1000])
def test_tau_equals_scipy_with_and_without_ties(levels):
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(levels)
    grades, scores = rng.integers(0, levels, (200, 9)).astype(float), rng.integers(0, levels, (200, 9)).astype(float)
    scores[:10] = 4.0
    grades[5:12] = 2.0
    ours = ranking.kendall_tau(grades, scores)
    theirs = np.array([stats.kendalltau(g, s).statistic for g, s in zip(grades, scores, strict=True)])
    nothing_ranked = (np.ptp(scores, axis=1) == 0) & (np.ptp(grades, axis=1) > 0)
    assert nothing_ranked.any() and np.isnan(theirs[nothing_ranked]).all() and not ours[nothing_ranked].any()
    np.testing.assert_allclose(ours[~nothing_ranked], theirs[~nothing_ranked], rtol=0, atol=1e-12)


def test_tau_of_ragged_lists_equals_scipy_on_the_items_that_are_there():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    groups = [(rng.integers(0, 5, n).tolist(), rng.integers(0, 5, n).tolist()) for n in rng.integers(4, 20, 100)]
    ours = ranking.kendall_tau(*(ranking.padded(side) for side in zip(*groups, strict=True)))
    theirs = [stats.kendalltau(g, s).statistic for g, s in groups]
    np.testing.assert_allclose(ours, np.where(np.isnan(ours), np.nan, theirs), rtol=0, atol=1e-12)
    assert np.isnan(ours).sum() == sum(len(set(g)) == 1 for g, _ in groups)
