"""A refusal that only follows from another says nothing of its own, and each fault has one place, once."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listeval import Kind, Schema

KEYS = ("a", "b", "c")
TYPES = st.fixed_dictionaries({key: st.sampled_from(["string", "integer"]) for key in KEYS})
ANSWERS = st.dictionaries(st.sampled_from([*KEYS, "z"]), st.sampled_from(["x", 1]))


def _part(types: dict[str, str], keys: list[str]) -> dict[str, object]:
    return {"type": "object", "properties": {key: {"type": types[key]} for key in keys}, "required": keys}


@settings(max_examples=200, deadline=None)
@given(TYPES, st.permutations(KEYS), st.integers(0, 3), st.sampled_from(["allOf", "anyOf", "oneOf", "then"]), ANSWERS)
def test_an_object_closed_across_its_parts_breaks_where_a_flat_one_does(types, order, cut, word, answer):
    """Whichever keys stand in the part: a wrong value in it does not make the others unknown."""
    inner, outer = list(order[:cut]), list(order[cut:])
    part = {"$ref": "#/$defs/part"}
    held = {"if": True, "then": part} if word == "then" else {word: [part]}
    schema = {**_part(types, outer), **held, "unevaluatedProperties": False, "$defs": {"part": _part(types, inner)}}
    flat = {**_part(types, list(KEYS)), "additionalProperties": False}
    text = json.dumps(answer)
    assert set(Schema(schema).broken(text)) == set(Schema(flat).broken(text))


@pytest.mark.parametrize("lines", [1, 3])
def test_parts_of_other_values_change_nothing(lines):
    """An element that is wrong in a part leaves an unknown key of the next what it is."""
    item = {"allOf": [{"properties": {"a": {"type": "integer"}}}], "unevaluatedProperties": False}
    found = Schema({"items": item}).broken(json.dumps([{"a": "x"}, {"z": 1}] * lines))
    expected = [((at, "a"), Kind.BAD_VALUE) for at in range(0, 2 * lines, 2)]
    assert sorted(found) == sorted(expected + [((at + 1, "z"), Kind.EXTRA_KEY) for at in range(0, 2 * lines, 2)])


def test_elements_of_a_part_that_refuses_one_are_no_fault_of_their_own():
    schema = {"allOf": [{"prefixItems": [{"type": "integer"}, {"type": "integer"}]}], "unevaluatedItems": False}
    assert Schema(schema).broken('[1, "x"]') == [((1,), Kind.BAD_VALUE)]
    assert Schema(schema).broken("[1, 2, 3]") == [((), Kind.BAD_VALUE)]


D7 = "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"unevaluatedProperties": {"type": "integer"}}, {"x": "a", "y": 1}, [(("x",), "bad_value")]),
        ({"properties": {"x": False}}, {"x": 1}, [(("x",), "bad_value")]),
        ({"patternProperties": {"^x": False}}, {"x": 1}, [(("x",), "bad_value")]),
        ({"prefixItems": [{}, False]}, [1, 2], [((1,), "bad_value")]),
        ({"properties": {"propertyNames": {"type": "string"}}}, {"propertyNames": 5},
         [(("propertyNames",), "bad_value")]),
        ({"properties": {"properties": {"propertyNames": {"maxLength": 1}}}}, {"properties": {"xy": 1}},
         [(("properties", "xy"), "extra_key")]),
        ({"propertyNames": {"minLength": 4, "pattern": "^y"}}, {"x": 1}, [(("x",), "extra_key")]),
        ({"propertyNames": False}, {"x": 1}, [(("x",), "extra_key")]),
        ({"dependentRequired": {"t": ["x", "y"]}}, {"t": 1, "x": 1}, [(("y",), "missing_key")]),
        ({"$schema": D7, "dependencies": {"t": ["x", "y"]}}, {"t": 1},
         [(("x",), "missing_key"), (("y",), "missing_key")]),
    ],
)  # fmt: skip
def test_a_fault_has_the_place_of_what_is_wrong(schema, value, expected):
    assert [(path, kind.value) for path, kind in Schema(schema).broken(json.dumps(value))] == expected
