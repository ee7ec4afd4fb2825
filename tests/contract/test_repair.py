"""Repairs: pure, named, honest about what they did, and never worse than what came in."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.contract import Id, Item, KeyedList, Parsed, Score
from listeval.contract.repair import POLICIES, Repaired, permutation, repair, truncation
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


AROUND = [
    "As [1] says:\n",
    "Ranked [1], [2], [3].\n",
    'The best is ["A1"].\n',
    "On a scale of [0, 10]:\n",
    "[0, 1) is open. ",
    "First [] then\n",
    "[-1] means unknown.\n",
    "[2024-01-05] log\n",
    "[[1]]\n",
    "See [docs](http://x.y/[z]) and [[wiki]].\n",
    'She said "yes [1] ',
    "it's [2] o'clock, 5\" tall ",
    "{x in N} and {}: ",
    "- [ ] rank\n- [x] think\n",
    "f(a[0], b[i]) = {1}\n",
    "```python\nids = ['A1', 'B2']\nfor i in range(3): print(ids[i])\n```\n",
    '{"note": "see [1]"}\n',
    "\ufeff",
    "[",
    "]",
    "}{",
    "]]",
    'The form is [{"review_id": ..., "score": ...}, ...].\n',
    '[{"id": 1}] is no answer.\n',
    '["A1", "B2", "C3", "D4"]\n',
    'Draft: [{"review_id": "A1", "score": 1}, {"review_id": "B2", "sco\n',
    "<answer>",
    '[{"review_id": "A1", "score": 9}] leads.\n',
]
prose = st.lists(st.sampled_from(AROUND), max_size=4).map("".join)


@given(prose, prose)
def test_no_prose_costs_a_good_list(before, after):
    fixed = repair(CONTRACT, before + GOOD + "\n" + after, "stop", ["truncation", "permutation"])
    parsed = CONTRACT.parse(fixed.text)
    assert [(item.review_id, item.score) for item in parsed.value] == pairs(GOOD)
    alone = permutation(CONTRACT, before + GOOD + "\n" + after)
    assert [(item.review_id, item.score) for item in CONTRACT.parse(alone.text).value] == pairs(GOOD)


@given(prose, st.integers(len(GOOD.rpartition("{")[0]), len(GOOD)))
def test_no_prose_costs_a_list_that_was_cut(before, cut):
    fixed = repair(CONTRACT, before + GOOD[:cut], "length", ["truncation", "permutation"])
    assert fixed.closed
    assert [item.review_id for item in CONTRACT.parse(fixed.text).value] == list(IDS)
    assert pairs(fixed.text)[:3] == pairs(GOOD)[:3]


def test_of_several_lists_the_fullest_counts_and_of_equal_ones_the_last():
    draft, final = GOOD.replace("9", "2"), GOOD
    for text in (f"{draft}\nNo, better:\n{final}", f"```json\n{draft}\n```\n```json\n{final}\n```"):
        assert truncation(CONTRACT, text).text == final
    assert truncation(CONTRACT, f"{final}\nOf these [{GOOD[1:38]}] leads").text == final
    assert truncation(CONTRACT, f"{draft[:60]}\nAgain:\n{final}").text == final


@pytest.mark.parametrize(
    "text",
    [
        f'{{"reviews": {GOOD}}}', f'{{"n": [1, 2], "data": {{"reviews": {GOOD}}}, "ok": [true]}}', f"answer = {GOOD};",
        f"[{GOOD}]", GOOD[1:-1], GOOD[1:-1].replace("}, {", "}\n{"), GOOD[1:-1].replace("}, {", "}\nand then [2] {"),
        json.dumps([5, None, *json.loads(GOOD)]),
    ],
)  # fmt: skip
def test_wrapped_listed_or_one_a_line_it_is_the_same_list(text):
    fixed = repair(CONTRACT, text, "stop", ["truncation", "permutation"])
    assert [(item.review_id, item.score) for item in CONTRACT.parse(fixed.text).value] == pairs(GOOD)


def test_one_object_without_a_bracket_is_no_list():
    text = 'Best: {"review_id": "A1", "score": 9}'
    assert repair(CONTRACT, text, "stop", ["truncation", "permutation"]) == Repaired(text)


@given(st.lists(st.sampled_from([*AROUND, GOOD, GOOD[:50], GOOD[20:], '"', "\\", "{", "[{"]), max_size=8).map("".join))
def test_whatever_stands_around_repairs_stay_idempotent(text):
    for policy in POLICIES.values():
        once = policy(CONTRACT, text)
        assert policy(CONTRACT, once.text).text == once.text


@pytest.mark.parametrize(
    "piece", ["[", "{", '[{"', '[{"a":[', "[{}", "[{},", "}]", '"', "[1]", '{"review_id": "A1", "score": 1}']
)
def test_thousands_of_pieces_end(piece):
    for text in (piece * 6_000, piece * 3_000 + "]" * 3_000 + "}]" * 3_000):
        assert isinstance(repair(CONTRACT, text, "length", ["truncation", "permutation"]), Repaired)


def test_a_megabyte_of_brackets_is_linear():
    assert truncation(CONTRACT, "[" * 200_000 + "x").text.startswith("[[")
