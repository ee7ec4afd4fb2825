"""Repairs: pure, named, honest about what they did, and never worse than what came in."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.contract import Id, Item, KeyedList, Parsed, Score
from listeval.decoding.repair import POLICIES, Repaired, permutation, repair, truncation
from listeval.errors import UserError


class Scored(Item):
    review_id: Id
    score: Score


IDS = ("A1", "B2", "C3", "D4")
CONTRACT = KeyedList(Scored, key="review_id", ids=IDS)


def answer(*pairs):
    return json.dumps([{"review_id": name, "score": score} for name, score in pairs])


def pairs(text):
    return [(item["review_id"], item["score"]) for item in json.loads(text)]


GOOD = answer(("A1", 3), ("B2", 9), ("C3", 5), ("D4", 1))


def test_first_of_each_stays_inventions_go_and_the_missing_come_last():
    text = answer(("B2", 9), ("A1", 3), ("B2", 1), ("X9", 10))
    fixed = permutation(CONTRACT, text)
    assert pairs(fixed.text) == [("B2", 9), ("A1", 3), ("C3", 3), ("D4", 3)]
    assert fixed.done == ("dropped 1 duplicate", "dropped 1 invented", "appended 2 missing")


def test_objects_that_are_no_item_go():
    text = '[{"review_id": "A1", "score": "high"}, {"review_id": "B2", "score": "7"}, 5, {"id": "C3"}]'
    fixed = permutation(CONTRACT, text)
    assert pairs(fixed.text) == [("B2", "7"), ("A1", "7"), ("C3", "7"), ("D4", "7")]
    assert fixed.done == ("dropped 3 unusable", "appended 3 missing")


@pytest.mark.parametrize(
    "text",
    ["", "no list", "[1, 2, 3, 4]", '[{"review_id": "X", "score": 1}]', "[" * 5000, '[{"review_id": "A1"', "[NaN]"],
)
def test_nothing_usable_is_left_alone(text):
    assert permutation(CONTRACT, text) == Repaired(text)


def test_a_key_that_stands_twice_is_written_once():
    text = GOOD.replace('"score": 3', '"score": 2, "score": 3')
    fixed = permutation(CONTRACT, text)
    assert isinstance(CONTRACT.parse(fixed.text), Parsed)
    assert fixed.done == ("wrote the list anew",)


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ('[{"review_id": "A1", "score": 3}, {"review_id": "B', '[{"review_id": "A1", "score": 3}]'),
        ('[{"review_id": "A1", "score": 3},   ', '[{"review_id": "A1", "score": 3}]'),
        ('Here: [{"review_id": "]}{\\"", "score": 3}, {', '[{"review_id": "]}{\\"", "score": 3}]'),
        ('[Review 1] is [{"review_id": "A1", "score": 3}', '[{"review_id": "A1", "score": 3}]'),
        (GOOD + " and now some pro", GOOD),
        ("[" + "{", "[{"),
        ("words", "words"),
    ],
)
def test_truncation_closes_after_the_last_whole_object(text, closed):
    fixed = truncation(CONTRACT, text)
    assert fixed.text == closed
    assert fixed.closed == (closed != text)


def test_a_budget_that_ran_out_is_forgiven_only_by_truncation():
    cut = GOOD[:-20]
    assert repair(CONTRACT, cut, "length", ["permutation"]) == Repaired(cut)
    both = repair(CONTRACT, cut, "length", ["truncation", "permutation"])
    assert both.closed
    assert pairs(both.text) == [("A1", 3), ("B2", 9), ("C3", 5), ("D4", 3)]
    assert both.done == ("dropped the unfinished object", "closed the list", "appended 1 missing")


def test_an_answer_that_keeps_its_contract_is_left_alone():
    text = f"Sure: {GOOD}"
    assert repair(CONTRACT, text, "stop", list(POLICIES)) == Repaired(text)


def test_an_unknown_policy_is_a_user_error():
    with pytest.raises(UserError, match=r"unknown repair 'permutaton'.*did you mean 'permutation'"):
        repair(CONTRACT, "x", "stop", ["permutaton"])


entry = st.fixed_dictionaries(
    {"review_id": st.sampled_from([*IDS, "X9", "1"]), "score": st.one_of(st.integers(-5, 5), st.floats(), st.text())}
)


@given(st.lists(entry, max_size=8), st.integers(0, 400))
def test_whatever_came_in_the_result_parses_or_is_unchanged(entries, cut):
    text = json.dumps(entries)[:cut]
    fixed = repair(CONTRACT, text, "length", ["truncation", "permutation"])
    parsed = CONTRACT.parse(fixed.text, "stop" if fixed.closed else "length")
    usable = [e for e in entries if isinstance(CONTRACT.parse(fixed.text), Parsed)]
    assert isinstance(parsed, Parsed) or not usable or fixed.text == text
    if isinstance(parsed, Parsed):
        named = [e["review_id"] for e in json.loads(fixed.text)]
        kept = list(dict.fromkeys(name for name in named))
        assert sorted(kept) == sorted(IDS)


@given(st.text(max_size=300))
def test_repairs_never_raise_and_are_idempotent(text):
    for policy in POLICIES.values():
        once = policy(CONTRACT, text)
        assert policy(CONTRACT, once.text).text == once.text


def test_a_megabyte_of_brackets_is_linear():
    assert truncation(CONTRACT, "[" * 200_000 + "x").text.startswith("[[")
