"""TREC run lines and full-list NDCG where no oracle is needed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.scoring.trec import trec_ndcg, trec_run


def test_scores_fall_strictly_and_end_above_zero():
    lines = [line.split() for line in trec_run(["b", "a", "c"], "7", "tag")]
    assert lines == [
        ["7", "Q0", "b", "1", "3", "tag"],
        ["7", "Q0", "a", "2", "2", "tag"],
        ["7", "Q0", "c", "3", "1", "tag"],
    ]


def test_the_ideal_knows_what_was_not_retrieved():
    assert trec_ndcg([3], {3: 1}, 10) == 1
    assert trec_ndcg([3], {3: 2}, 1) == 1
    assert trec_ndcg([3], {3: 2}, 2) == pytest.approx(1 / (1 + 1 / 1.584962500721156))
    assert trec_ndcg([], {3: 2}, 10) == 0


def test_no_relevant_passage_is_zero_and_bad_grades_gain_nothing():
    assert trec_ndcg([0, 0], {0: 5}, 10) == 0
    assert trec_ndcg([-1, 1], {-1: 3, 1: 1}, 2) == trec_ndcg([0, 1], {0: 3, 1: 1}, 2) > 0


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 30))
def test_best_order_is_one_and_none_is_better(grades, k):
    judged = {grade: grades.count(grade) for grade in set(grades)}
    best = trec_ndcg(sorted(grades, reverse=True), judged, k)
    assert best == (pytest.approx(1) if any(grades) else 0)
    assert 0 <= trec_ndcg(grades, judged, k) <= best + 1e-12
