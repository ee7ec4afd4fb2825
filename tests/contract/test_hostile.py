"""Hostile text: no exception, exactly one kind, linear time, bounded memory."""

import json
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import field_validator

from listeval.contract import Calls, Failure, Id, Item, KeyedList, Kind, Parsed, Record, Score


class Scored(Item):
    review_id: Id
    score: Score


IDS = tuple(f"R{i}" for i in range(8))
CONTRACT = KeyedList(Scored, key="review_id", ids=IDS)
RECORD = Record(Scored)
CALLS = Calls({"score": Scored})
TEXT = json.dumps([{"review_id": name, "score": i} for i, name in enumerate(IDS)])
MIB = 2**20

HOSTILE = {
    "a megabyte of [": "[" * MIB,
    "a megabyte of [ closed": "[" * MIB + "]" * MIB,
    "a megabyte of {": "{" * MIB,
    "a megabyte of {[": '{"a":[' * (MIB // 6),
    "a megabyte of ]": "]" * MIB,
    "a megabyte of blanks": " " * MIB,
    "blanks inside": "[" + " " * MIB + "]",
    "blanks around": " " * MIB + TEXT + "\n" * MIB,
    "a megabyte of quotes": '["' * (MIB // 2),
    "a megabyte of backslashes": '["' + "\\" * MIB + '"]',
    "backticks": "`" * MIB + TEXT,
    "one key 100,000 times": "[{" + ",".join(['"score":1'] * 10**5) + "}]",
    "100,000 keys": "[{" + ",".join(f'"k{i}":1' for i in range(10**5)) + "}]",
    "100,000 objects": "[" + ",".join(['{"review_id":"R0","score":1}'] * 10**5) + "]",
    "100,000 ids": json.dumps([{"review_id": f"X{i}", "score": 1} for i in range(10**5)]),
    "a number of a million digits": TEXT.replace(": 3", ": " + "9" * MIB),
    "a million digits in a string": TEXT.replace(": 3", ': "' + "9" * MIB + '"'),
    "an exponent": TEXT.replace(": 3", ": 1e999999999"),
    "a lone surrogate": TEXT.replace("R3", "\ud800"),
    "an escaped lone surrogate": TEXT.replace("R3", "\\ud800"),
    "a zero byte": TEXT.replace("R3", "\0"),
    "an escaped zero byte": TEXT.replace("R3", "\\u0000"),
    "a byte order mark": "\ufeff" + TEXT,
    "right to left": "\u202e" + TEXT,
    "regret a thousand times": "I'm sorry " * 10**5,
    "words": "word " * (MIB // 5),
    "a long id": TEXT.replace("R3", "R" * (MIB // 8)),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("contract", [CONTRACT, RECORD, CALLS], ids=["list", "record", "calls"])
@pytest.mark.parametrize("finish", ["stop", "length"])
def test_hostile_text_ends_in_one_kind(name, contract, finish):
    tracemalloc.start()
    result = contract.parse(HOSTILE[name], finish)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(result, Parsed) or (isinstance(result, Failure) and result.kind in Kind)
    assert peak < 300 * MIB


def mutate(text, rng):
    """Mostly one, at most five random edits of characters that matter to JSON."""
    chars = list(text)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at, edit = rng.randrange(len(chars) + 1), rng.randrange(5)
        piece = rng.choice(
            ['"', "{", "}", "[", "]", ",", ":", "\\", " ", "1", "e", "-", "null", "NaN", "\ud800", "é", "```"]
        )
        if edit == 0:
            chars.insert(at, piece)
        elif edit == 1:
            del chars[at : at + rng.randint(1, 20)]
        elif edit == 2:
            chars[at : at + 1] = piece
        elif edit == 3:
            chars[at:at] = chars[rng.randrange(len(chars) + 1) :][:40]
        else:
            del chars[at:]
        chars = chars or ["x"]
    return "".join(chars)


def check_total(text, contract=CONTRACT):
    """The property of the fuzz: one verdict, and an accepted list is truly K unique ids with finite scores."""
    result = contract.parse(text)
    if isinstance(result, Failure):
        assert result.kind is not Kind.OK
        return result.kind
    block = text[slice(*result.span)]
    loaded = json.loads(block)
    assert sorted(str(item["review_id"]) for item in loaded) == sorted(IDS)
    assert all(abs(float(item["score"])) < float("inf") and not isinstance(item["score"], bool) for item in loaded)
    assert all(set(item) == {"review_id", "score"} for item in loaded)
    return Kind.OK


def test_mutated_answers_end_in_one_kind():
    rng = random.Random(5)
    kinds = {check_total(mutate(TEXT, rng)) for _ in range(5_000)}
    assert {Kind.OK, Kind.MALFORMED_JSON, Kind.MISSING_KEY, Kind.UNKNOWN_ID} <= kinds


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(IDS),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.sampled_from(["review_id", "score", "x"]), inner),
    max_leaves=20,
)


@given(json_values)
@settings(max_examples=400, deadline=None)
def test_any_json_ends_in_one_kind(value):
    check_total(json.dumps(value))


@given(st.text(st.characters(exclude_categories=())))
@settings(max_examples=400, deadline=None)
def test_any_text_ends_in_one_kind(text):
    for contract in (CONTRACT, RECORD, CALLS):
        result = contract.parse(text)
        assert isinstance(result, Failure | Parsed)


class Angry(Exception):
    def __str__(self):
        raise RuntimeError


class Loaded(Item):
    """Its validator raises what the text says; its values cannot be compared."""

    word: str
    any: object = None

    @field_validator("word")
    @classmethod
    def _raises(cls, word):
        known = {
            "key": KeyError("k"), "type": TypeError("t"), "zero": ZeroDivisionError(), "angry": Angry(),
            "deep": RecursionError("deep"), "stop": StopIteration(), "os": OSError(2, "no"), "value": ValueError("v"),
            "attribute": AttributeError("a"), "memory": MemoryError(),
        }  # fmt: skip
        if word in known:
            raise known[word]
        return word

    def __eq__(self, other):
        raise RuntimeError


@pytest.mark.parametrize("word", ["key", "type", "zero", "angry", "deep", "stop", "os", "attribute", "memory"])
@pytest.mark.parametrize("finish", ["stop", "length", "tool_calls"])
def test_a_contract_whose_own_code_raises_says_nothing_of_the_answer(word, finish):
    text = f'{{"word": "{word}"}}'
    for contract, answer in ((Record(Loaded), text), (KeyedList(Loaded, key="word", ids=("a", "b")), f"[{text}]")):
        result = contract.parse(answer, finish)
        assert isinstance(result, Failure)
        if finish != "length":
            assert result.kind is Kind.CONTRACT_OTHER
            assert result.raised


def test_what_a_rule_of_the_contract_says_is_the_answers_fault():
    result = Record(Loaded).parse('{"word": "value"}')
    assert (result.kind, result.raised) == (Kind.CONTRACT_OTHER, "")
    assert isinstance(Record(Loaded).parse('{"word": "fine"}'), Parsed)


pieces = st.sampled_from(
    [
        "[", "]", "{", "}", '"', "'", "“", "`", "\\", "//", "/*", "*/", "#", "\n", " ", ",", ":", "[1]", "[{", "}]",
        "{}", "[]", "null", "None", "NaN", "-", "9" * 5000, "1e400", "R1", "Review 1",
        '"review_id"', "review_id", '"score"',
        "\ud800", "\\ud800", "\ufeff", "\u200b", "```json\n", "```", "I can't", "id=", "$schema", '{"a":' * 300,
        "[" * 300,
    ]
)  # fmt: skip


@given(
    st.lists(pieces, max_size=30).map("".join), st.sampled_from(["stop", "length", "error", "?"]), st.none() | pieces
)
@settings(max_examples=600, deadline=None)
def test_pieces_of_json_in_any_order_end_in_one_kind(text, finish, reasoning):
    for contract in (CONTRACT, RECORD, CALLS, Record(Scored, extraction="whole")):
        result = contract.parse(text, finish, reasoning)
        assert isinstance(result, Failure | Parsed)
        assert not (isinstance(result, Failure) and result.raised)
        assert contract.is_bare(text) in (True, False)
