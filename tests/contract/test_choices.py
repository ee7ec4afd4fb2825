"""Choices of a contract: `true` is never 1, whatever Python thinks of the two; jsonschema is the judge."""

from __future__ import annotations

import json
from enum import Enum, IntEnum
from typing import Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import create_model

from listeval import Calls, Failure, Item, KeyedList, Kind, Parsed, Record

VALUES = st.lists(st.sampled_from([0, 1, 2, True, False, "1", "true", "x", None]), min_size=1, max_size=4)
ANSWERS = st.sampled_from([0, 1, 2, True, False, "1", "true", "x", "y", 7, None, [], {}, 1.5])


@given(VALUES, ANSWERS)
def test_a_literal_takes_what_jsonschema_takes(values, answer):
    chosen = tuple({(type(value), value): value for value in values}.values())
    model = create_model("M", __base__=Item, a=(Literal[chosen], ...))
    text = json.dumps({"a": answer})
    schema = {"type": "object", "properties": {"a": {"enum": list(chosen)}}}
    valid = jsonschema.Draft202012Validator(schema).is_valid(json.loads(text))
    assert isinstance(Record(model).parse(text, "stop"), Parsed) == valid


class Grade(IntEnum):
    LOW = 1
    HIGH = 2


class Word(Enum):
    YES = "yes"
    NO = "no"


class Marked(Item):
    grade: Grade
    word: Word
    whole: Literal[1, 2]


class Outer(Item):
    inner: list[Marked]


@pytest.mark.parametrize("value", ["true", "1.0", '"1"', "null", "7"])
@pytest.mark.parametrize("key", ["grade", "whole"])
def test_a_choice_of_integers_at_any_depth_takes_integers_alone(key, value):
    good = '{"grade": 1, "word": "yes", "whole": 2}'
    bad = good.replace(f'"{key}": {1 if key == "grade" else 2}', f'"{key}": {value}')
    kept = Record(Outer).parse(f'{{"inner": [{good}]}}', "stop")
    assert isinstance(kept, Parsed) and kept.value.inner[0].grade is Grade.LOW
    for contract, text in (
        (Record(Marked), bad),
        (Record(Outer), f'{{"inner": [{bad}]}}'),
        (Calls({"f": Marked}), f'[{{"name": "f", "arguments": {bad}}}]'),
    ):
        broken = contract.parse(text, "stop")
        assert isinstance(broken, Failure)
        assert broken.kind in (Kind.WRONG_TYPE, Kind.BAD_VALUE)


def test_a_value_outside_a_mixed_choice_is_a_bad_value_with_all_that_it_may_be():
    model = create_model("M", __base__=Item, a=(Literal[1, "x", True], ...))
    broken = Record(model).parse('{"a": 7}', "stop")
    assert isinstance(broken, Failure) and broken.kind is Kind.BAD_VALUE
    assert "1, 'x' or True" in broken.detail


def test_the_json_schema_is_pydantics_own():
    fields = {"a": (Literal[1, 2], ...), "b": (Literal[True, "x"], ...), "c": (list[Word], ...)}
    ours, theirs = create_model("M", __base__=Item, **fields), create_model("M", **fields)
    assert Record(ours).json_schema() == {**theirs.model_json_schema(), "additionalProperties": False}


def test_an_enum_of_integers_still_stands_in_the_json_schema():
    model = create_model("M", __base__=Item, a=(Grade, ...))
    assert Record(model).json_schema()["properties"]["a"]["enum"] == [1, 2]


def test_a_default_that_looks_like_a_schema_is_left_alone():
    class Odd(Item):
        a: Literal[1] = 1
        b: dict[str, str] = {"type": "literal"}

    assert isinstance(Record(Odd).parse("{}", "stop"), Parsed)


def test_lists_of_items_are_held_to_it_too():
    class Rated(Item):
        id: str
        stars: Literal[1, 2, 3]

    contract = KeyedList(Rated, key="id", ids=("a",))
    assert isinstance(contract.parse('[{"id": "a", "stars": 1}]', "stop"), Parsed)
    assert isinstance(contract.parse('[{"id": "a", "stars": true}]', "stop"), Failure)


class Fork(Item):
    tines: list[Tine]
    grade: Grade = Grade.LOW


class Tine(Item):
    fork: Fork | None = None
    grade: Grade = Grade.LOW


@pytest.mark.parametrize("model", [Fork, Tine])
@pytest.mark.parametrize(("grade", "kept"), [("1", True), ("true", False)])
def test_models_that_refer_to_each_other_are_held_to_it_too(model, grade, kept):
    fork = f'{{"tines": [{{"fork": {{"tines": []}}, "grade": {grade}}}], "grade": {grade}}}'
    text = fork if model is Fork else f'{{"fork": {fork}, "grade": {grade}}}'
    assert isinstance(Record(model).parse(text, "stop"), Parsed) == kept
    # Within a whole that keeps it otherwise, too.
    deep = f'{{"tines": [{{"fork": {{"tines": [], "grade": {grade}}}}}]}}'
    assert isinstance(Record(Fork).parse(deep, "stop"), Parsed) == kept
