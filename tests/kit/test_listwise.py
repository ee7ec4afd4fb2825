"""What list tasks share: answers, worked examples, known-bad answers."""

from __future__ import annotations

import pytest

from listeval.contract import Failure, Id, Item, KeyedList, Kind, Parsed, Score
from listeval.errors import UserError
from listeval.kit.listwise import bad_lists, list_answer, worked_examples


class Document(Item):
    name: Id
    score: Score


@pytest.mark.parametrize("ids", [("a", "b"), ("x-1", 'é"', "12"), tuple(f"R{n}" for n in range(20))])
def test_answers_land_where_they_say(ids):
    contract = KeyedList(Document, key="name", ids=ids)
    assert isinstance(contract.parse(list_answer("name", dict.fromkeys(ids, 2.5))), Parsed)
    for kind, text in bad_lists("name", ids).items():
        failure = contract.parse(text)
        assert isinstance(failure, Failure) and failure.kind is kind, text


def test_an_answer_writes_whole_scores_as_integers_and_ids_as_they_are():
    assert list_answer("name", {"é": 3.0, "b": 2.5}) == '[{"name": "é", "score": 3}, {"name": "b", "score": 2.5}]'


def test_positions_are_no_known_bad_answer_where_they_could_be_ids():
    assert Kind.POSITION_ONLY in bad_lists("name", ["7", "8"])
    assert Kind.POSITION_ONLY not in bad_lists("name", ["1", "8"])


def test_worked_examples_are_the_first_that_fit():
    assert worked_examples(range(9), 2, lambda n: n % 2 == 1, "x", "the rest") == [1, 3]
    assert worked_examples(iter(()), 0, bool, "x", "the rest") == []
    with pytest.raises(UserError, match=r"3 worked examples are asked for, the rest has 1 for x\. Fix: lower --set sh"):
        worked_examples([0, 1], 3, bool, "x", "the rest")
