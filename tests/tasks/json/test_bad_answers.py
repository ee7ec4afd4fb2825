"""Known-bad answers of any schema land in their kinds, and are found at whatever depth there is something to break."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from listeval import Failure, Kind, ModelSchema, Schema
from listeval.backends import played
from listeval.backends.protocol import KnownAnswers
from tasks.json.bad import bad_answers

STRUCTURAL = {Kind.MISSING_KEY, Kind.EXTRA_KEY, Kind.BAD_VALUE}
PART = {
    "type": "object",
    "properties": {"street": {"type": "string"}, "number": {"type": "integer"}},
    "required": ["street"],
    "additionalProperties": False,
}
HOME = {"street": "x", "number": 1}


def within(**properties: Any) -> dict[str, Any]:
    """An open object of which nothing is required."""
    return {"type": "object", "properties": properties}


DEEP = {
    "within a key": (within(home=PART), {"home": HOME}, STRUCTURAL),
    "within a list": (within(homes={"type": "array", "items": PART}), {"homes": [HOME, HOME]}, STRUCTURAL),
    "a list at the root": ({"type": "array", "items": PART}, [HOME], STRUCTURAL),
    "behind a reference": ({**within(home={"$ref": "#/$defs/p"}), "$defs": {"p": PART}}, {"home": HOME}, STRUCTURAL),
    "a reference at the root": ({"$ref": "#/$defs/p", "$defs": {"p": PART}}, HOME, STRUCTURAL),
    "all of": ({"allOf": [PART]}, HOME, STRUCTURAL),
    "deeper than that": (within(a=within(b={"type": "array", "items": within(c=PART)})), {"a": {"b": [{"c": HOME}]}},
                         STRUCTURAL),
    "an enum": (within(a={"enum": ["x", "y"]}), {"a": "x"}, {Kind.BAD_VALUE}),
    "a constant": (within(a={"const": 1}), {"a": 1}, {Kind.BAD_VALUE}),
    "a list of types": (within(a={"type": ["string", "null"]}), {"a": None}, {Kind.BAD_VALUE}),
    "options": (within(a={"anyOf": [{"type": "string"}, {"type": "null"}]}), {"a": "x"}, {Kind.BAD_VALUE}),
    "scalars of a list": ({"type": "array", "items": {"type": "integer"}}, [1, 2], {Kind.BAD_VALUE}),
    "an empty list": (within(a={"type": "array"}), {"a": []}, {Kind.BAD_VALUE}),
    "the right value may be what is tried first": (within(a={"type": "object"}), {"a": {}}, {Kind.BAD_VALUE}),
    # A value that fails is not evaluated either, which is another kind.
    "unevaluated": (
        {"allOf": [within(a={"type": "integer"})], "unevaluatedProperties": False}, {"a": 1}, {Kind.EXTRA_KEY}
    ),
    "a free schema": ({}, {"a": [1]}, set()),
    "a key that another option does without": ({"oneOf": [PART, {"type": "object", "maxProperties": 0}]}, HOME, set()),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "good", "kinds"), DEEP.values(), ids=DEEP)
def test_what_can_be_broken_is_found_at_any_depth(schema, good, kinds):
    found = bad_answers(schema, good)
    assert found.keys() & STRUCTURAL == kinds
    for kind, text in found.items():
        assert Schema(schema).parse(text).kind == kind, text


def test_every_kind_of_a_nested_schema_is_planted():
    schema, good, _ = DEEP["within a list"]
    faults = played.Faults.parse("missing_key=0.3,extra_key=0.3,bad_value=0.3")
    known = KnownAnswers(json.dumps(good), bad_answers(schema, good))
    assert {faults.planted(f"k{i}", known)[0] for i in range(200)} == STRUCTURAL | {Kind.OK}
    assert not faults.without


class Address(BaseModel):
    street: str
    number: int | None = None


class Person(BaseModel):
    homes: list[Address]


def test_a_pydantic_model_is_broken_within_its_parts():
    contract = ModelSchema(Person)
    found = bad_answers(contract.json_schema(), {"homes": [{"street": "x", "number": None}]})
    assert found.keys() >= STRUCTURAL
    assert [contract.parse(text).kind for text in found.values()] == list(found)


def test_nothing_is_said_of_an_answer_that_is_not_right():
    assert bad_answers(PART, {"number": 1}).keys() == bad_answers({"type": "integer"}, 3).keys()


LEAVES = st.sampled_from([
    ({"type": "string"}, "x"), ({"type": "integer", "minimum": 0}, 3), ({"type": "number", "multipleOf": 0.01}, 19.99),
    ({"type": "boolean"}, True), ({"type": "null"}, None), ({"enum": ["x", {}, None]}, {}), ({"const": [1]}, [1]),
    ({"type": ["string", "null"], "maxLength": 3}, "abc"), ({}, "free"),
    ({"type": "string", "pattern": "^[0-9]+$"}, "12"), ({"type": "array", "maxItems": 2}, []),
])  # fmt: skip


@st.composite
def objects(draw, parts):
    named = draw(st.dictionaries(st.sampled_from(["a", "b", "required", "type", "propertyNames"]), parts, max_size=3))
    properties = {name: schema for name, (schema, _) in named.items()}
    schema = {"type": "object", "properties": properties}
    if required := draw(st.lists(st.sampled_from(sorted(named)), unique=True)) if named else []:
        schema["required"] = required
    rest = ({}, {"additionalProperties": False}, {"minProperties": len(named)}, {"propertyNames": {"maxLength": 13}},
            {"additionalProperties": {"type": "null"}})  # fmt: skip
    schema |= draw(st.sampled_from(rest))
    return schema, {name: value for name, (_, value) in named.items()}


def grown(parts):
    lists = parts.flatmap(
        lambda one: st.integers(1, 2).map(lambda n: ({"type": "array", "items": one[0], "minItems": 1}, [one[1]] * n))
    )
    options = parts.map(lambda one: ({"anyOf": [one[0], {"type": "null"}, PART]}, one[1]))
    both = parts.map(lambda one: ({"allOf": [one[0], {"title": "t"}]}, one[1]))
    return st.one_of(objects(parts), lists, options, both)


@given(st.recursive(LEAVES, grown, max_leaves=6))
def test_known_bad_answers_of_any_schema_land_in_their_kinds(made):
    schema, good = made
    contract = Schema(schema)
    if isinstance(good, dict | list):
        assert not isinstance(contract.parse(json.dumps(good)), Failure)
    for kind, text in bad_answers(schema, good).items():
        assert contract.parse(text).kind == kind, (schema, text)
