"""Which passages come together: sampled lists, windows, and the list that windows are merged into."""

from __future__ import annotations

import sys
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.msmarco.lists import capacity, deal
from tasks.msmarco.passages import Passage, Query
from tasks.msmarco.sources import local
from tasks.msmarco.windows import merged, starts, windows


def query(grades, texts=None, qid="7"):
    texts = texts or [f"Text {n}." for n in range(len(grades))]
    passages = {
        f"d{n}": Passage(f"d{n}", text, grade) for n, (grade, text) in enumerate(zip(grades, texts, strict=True))
    }
    return Query(qid, "why", "", passages, {"BM25": list(passages)}, {})


GRADES = st.lists(st.sampled_from([None, 0, 1, 2, 3]), min_size=1, max_size=60)


@given(GRADES, st.integers(2, 9), st.integers(0, 3))
def test_lists_are_disjoint_and_can_be_ranked_right_or_wrong(grades, k, seed):
    asked = query(grades)
    lists = deal(asked, k, seed)
    used = Counter(passage.docid for item in lists for passage in item.passages)
    assert set(used.values()) <= {1}
    for item in lists:
        found = [passage.grade for passage in item.passages]
        assert len(found) == k and None not in found
        assert 0 in found and max(found) >= 2
    judged = [grade for grade in grades if grade is not None]
    bounds = len(judged) // k, sum(grade >= 2 for grade in judged), judged.count(0)
    assert len(lists) == capacity(asked, k) == min(bounds)
    assert lists == deal(asked, k, seed)


def test_seed_and_query_decide_the_deal_and_places_say_nothing():
    grades = [0, 1, 2, 3] * 20
    assert deal(query(grades), 8, 0) != deal(query(grades), 8, 1)
    first = [item.passages for item in deal(query(grades), 8, 0)]
    assert first != [item.passages for item in deal(query(grades, qid="8"), 8, 0)]
    best = Counter(
        max(range(8), key=lambda at: item.passages[at].grade)
        for seed in range(60) for item in deal(query(grades), 8, seed)
    )  # fmt: skip
    assert set(best) == set(range(8))
    assert [item.id for item in deal(query(grades), 40, 3)] == ["7-3-0", "7-3-1"]


def test_one_wording_is_never_twice_in_play():
    asked = query([3, 0, 3, 0], ["Same text.", "Other.", "same TEXT.", "Third."])
    assert [passage.docid for passage in asked.graded] == ["d0", "d1", "d3"]
    assert len(deal(asked, 3, 0)) == 1


@given(st.integers(0, 130), st.integers(2, 25), st.data())
def test_windows_cover_every_place_and_end_flush(length, k, data):
    stride = data.draw(st.integers(1, k))
    found = starts(length, k, stride)
    if length < 2:
        assert found == []
        return
    covered = Counter(place for at in found for place in range(at, min(at + k, length)))
    assert set(covered) == set(range(length))
    assert found[-1] == max(0, length - k)
    assert len(found) == len(set(found)) and found == sorted(found)
    assert all(after - before <= stride for before, after in pairwise(found))


def test_a_window_stands_in_first_stage_order_within_the_depth():
    found = windows(query([None] * 12), "BM25", 10, 4, 3)
    assert [(window.id, window.first, window.of) for window in found] == [
        ("7-BM25-1", 1, 3), ("7-BM25-4", 4, 3), ("7-BM25-7", 7, 3),
    ]  # fmt: skip
    assert [passage.docid for passage in found[2].passages] == ["d6", "d7", "d8", "d9"]
    assert windows(query([None] * 12), "other", 10, 4, 2) == []
    [only] = windows(query([0, 1, 2]), "BM25", 100, 8, 4)
    assert len(only.passages) == 3


def test_merging_by_mean_with_ties_by_first_stage_place():
    assert merged("abcd", {"a": [1], "b": [4, 0], "c": [5], "d": [2]}) == ["c", "b", "d", "a"]


def test_a_passage_that_no_answer_scored_keeps_its_place():
    assert merged("abcde", {"a": [1], "c": [3], "e": [9]}) == ["e", "b", "c", "d", "a"]
    assert merged("abc", {}) == ["a", "b", "c"]


HUGE = sys.float_info.max


@given(
    st.lists(
        st.lists(st.sampled_from([HUGE, HUGE / 2, 1e308, 3.0, 0.0, -1e308, -HUGE]), min_size=1, max_size=5),
        min_size=1,
        max_size=6,
    )
)
def test_merging_by_the_mean_of_scores_whose_sum_no_float_holds(scores):
    ids = [str(n) for n in range(len(scores))]
    means = {n: float(sum(map(Fraction, found)) / len(found)) for n, found in zip(ids, scores, strict=True)}
    assert merged(ids, dict(zip(ids, scores, strict=True))) == sorted(ids, key=lambda n: -means[n])


@given(st.integers(1, 30), st.data())
def test_merging_permutes(length, data):
    ids = [str(n) for n in range(length)]
    scores = {n: data.draw(st.lists(st.integers(0, 10), max_size=3)) for n in ids}
    final = merged(ids, scores)
    assert sorted(final) == sorted(ids)
    assert all(final[at] == docid for at, docid in enumerate(ids) if not scores[docid])


@pytest.mark.parametrize(("year", "queries", "lists"), [("dl19", 43, 441), ("dl20", 42, 428)])
def test_real_queries_give_as_many_lists_as_they_can(shared_data, year, queries, lists):
    reading = local(shared_data / "msmarco" / f"candidates.{year}.jsonl.gz")
    assert len(reading.queries) == queries
    # Counted apart from this code: min(wordings // 8, relevant, irrelevant), summed over the queries.
    assert sum(len(deal(asked, 8, 0)) for asked in reading.queries) == lists
