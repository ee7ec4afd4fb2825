"""List metrics by id are those of the arrays, whatever was not judged."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.scoring import ranking
from listeval.scoring.list_metrics import by_example, list_metrics

GRADES = st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=1, max_size=6)


@given(st.lists(GRADES, min_size=1, max_size=4), st.data())
def test_each_list_is_scored_by_itself(groups, data):
    scores = [{str(n): data.draw(st.floats(0, 10)) for n in range(len(group))} for group in groups]
    grades = [{str(n): grade for n, grade in enumerate(group)} for group in groups]
    together = list_metrics(grades, scores, (1, 3), (0.0, 10.0))
    for grade, score, found in zip(grades, scores, together, strict=True):
        [alone] = list_metrics([grade], [score], (1, 3), (0.0, 10.0))
        assert list(found) == ["kendall_tau", "ndcg@1", "ndcg@3", "mae"]
        np.testing.assert_equal(found, alone)
        given_, gains = [[*score.values()]], [[value or 0 for value in grade.values()]]
        known = [[np.nan if value is None else value for value in grade.values()]]
        np.testing.assert_equal(found["kendall_tau"], ranking.kendall_tau(known, given_)[0])
        np.testing.assert_equal(found["ndcg@3"], ranking.ndcg(gains, given_, 3)[0])


def test_ids_decide_not_their_order():
    grades = {"a": 3.0, "b": 1.0, "c": 0.0}
    right, wrong = {"c": 1.0, "b": 5.0, "a": 9.0}, {"a": 1.0, "b": 5.0, "c": 9.0}
    best, worst = list_metrics([grades, grades], [right, wrong], (3,))
    assert (best["kendall_tau"], best["ndcg@3"], worst["kendall_tau"]) == (1.0, 1.0, -1.0)


def test_an_unjudged_item_gains_nothing_and_has_no_part_in_the_rest():
    [found] = list_metrics([{"a": 3, "b": None, "c": 0}], [{"a": 3.0, "b": 9.0, "c": 0.0}], (1,))
    assert found == {"kendall_tau": 1.0, "ndcg@1": 0.0, "mae": 0.0}
    [nothing] = list_metrics([{"a": None}], [{"a": 1.0}], (1,))
    assert all(isnan(value) for value in nothing.values())


def test_scores_beyond_the_scale_count_as_its_end_for_mae():
    for judged in ({"a": 10.0, "b": 0.0}, {"a": 10.0, "b": 0.0, "c": None}):
        [found] = list_metrics([judged], [dict.fromkeys(judged, 0.0) | {"a": 1e300}], (1,), (0.0, 10.0))
        assert found["mae"] == 0.0


def test_no_list_and_a_list_without_a_score():
    assert list_metrics([], [], (1,)) == []
    with pytest.raises(KeyError):
        list_metrics([{"a": 1.0}], [{"b": 1.0}], (1,))


def test_columns_become_rows():
    columns = {"a": np.array([1.0, 2.0]), "b": np.array([0.5, np.nan])}
    first, second = by_example(columns)
    assert first == {"a": 1.0, "b": 0.5}
    assert second["a"] == 2.0 and np.isnan(second["b"])
