"""References are resolved as by `jsonschema`, whatever base or draft: what it takes is taken, and the rest is said."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from listeval import Failure, Kind, Parsed, Schema, why_no_schema
from listeval.contract import schema_validator
from listeval.contract.schema_references import References
from listeval.contract.schema_validator import compiled

D4, D7 = "http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-07/schema#"
D19 = "https://json-schema.org/draft/2019-09/schema"
A = {
    "type": "object", "required": ["kind"], "additionalProperties": False,
    "properties": {"kind": {"const": "a"}, "x": {"type": "integer"}, "y": {"type": "integer"}},
}  # fmt: skip
B = {"type": "object", "properties": {"kind": {"const": "b"}}, "required": ["kind"]}
BASES = {
    "a base of its own": {
        "$id": "http://x/r", "$ref": "item",
        "$defs": {
            "y": {"type": "array"},
            "i": {"$id": "item", "$ref": "#/$defs/y", "$defs": {"y": {"type": "object"}}},
        },
    },
    "alone before 2019-09": {
        "$schema": D7, "$ref": "#/definitions/x", "type": "array", "definitions": {"x": {"type": "object"}},
    },
    "beside it from 2019-09 on": {
        "$schema": D19, "$ref": "#/$defs/x", "type": "array", "$defs": {"x": {"minItems": 1}},
    },
    "draft 4's id": {
        "$schema": D4, "id": "http://x/root.json", "type": "object",
        "properties": {"a": {"$ref": "item.json"}, "b": {"$ref": "root.json#/definitions/a"}},
        "definitions": {"a": {"id": "item.json", "type": "integer"}},
    },
    "draft 3's extends": {
        "$schema": D4.replace("4", "3"), "extends": {"$ref": "#/definitions/x"},
        "definitions": {"x": {"type": "object"}},
    },
    "an anchor": {"$ref": "#x", "$defs": {"x": {"$anchor": "x", "type": "object"}}},
    "a dynamic anchor": {
        "$dynamicAnchor": "n", "type": "object",
        "properties": {"a": {"anyOf": [{"type": "integer"}, {"$dynamicRef": "#n"}]}},
    },
    "a recursive reference": {"$schema": D19, "type": "object", "additionalProperties": {"anyOf": [
        {"type": "integer"}, {"$recursiveRef": "#"}]}},
    "a draft's own schema": {"type": "object", "additionalProperties": {"anyOf": [{"type": "integer"}, {"$ref": D7}]}},
    "in what is no schema": {"type": "object", "x-origin": {"$ref": "https://example.org/pets.json"}, "properties": {
        "a": {"example": {"$ref": "gone"}, "const": {"$ref": "gone"}}}},
}  # fmt: skip


@pytest.mark.parametrize("schema", BASES.values(), ids=BASES)
@pytest.mark.parametrize("value", [{"a": 1}, {"a": "1"}, {"a": {"a": 1}}, {"a": {"$ref": "gone"}}, {"b": "1"}, [1], []])
def test_what_jsonschema_takes_is_taken_whatever_the_base(schema, value):
    assert why_no_schema(schema) is None
    taken = validator_for(schema, default=Draft202012Validator)(schema).is_valid(value)
    found = Schema(schema).parse(json.dumps(value))
    assert isinstance(found, Parsed) is taken, found
    assert not getattr(found, "raised", "")


UNIONS = {
    "at the root": {"$defs": {"A": A, "B": B}, "oneOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}]},
    "in a resource": {
        "$id": "http://x/r", "$ref": "item", "$defs": {"A": B, "B": A, "i": {
            "$id": "item", "oneOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}], "$defs": {"A": A, "B": B}}},
    },
    "dynamic": {
        "$defs": {"A": {"$dynamicAnchor": "A", **A}, "B": {"$dynamicAnchor": "B", **B}},
        "oneOf": [{"$dynamicRef": "#A"}, {"$dynamicRef": "#B"}],
    },
}  # fmt: skip


@pytest.mark.parametrize("schema", UNIONS.values(), ids=UNIONS)
def test_the_option_that_speaks_is_known_by_its_keys_wherever_they_stand(schema):
    found = Schema(schema).broken('{"kind": "a", "x": "1", "y": "2"}')
    assert found == [(("x",), Kind.BAD_VALUE), (("y",), Kind.BAD_VALUE)]


LOST = {
    "a pattern of draft 4": ({"$schema": D4, "patternProperties": {r"^\p{L}+$": {}}}, "Python's re cannot read"),
    "a dynamic one": ({"properties": {"a": {"$dynamicRef": "#nope"}}}, "'#nope' is not in the schema"),
    "beside an id": (
        {"properties": {"a": {"$ref": "#/$defs/nope"}}, "$defs": {"b": {"$id": "urn:b"}}},
        "'#/$defs/nope' is not in the schema",
    ),
    "into a list": ({"anyOf": [{}], "items": {"$ref": "#/anyOf/x"}}, "'#/anyOf/x' is not in the schema"),
    "into a text": ({"title": "t", "items": {"$ref": "#/title/x/y"}}, "is not in the schema"),
    "itself": ({"allOf": [{"$ref": "#"}]}, "'#' leads to nothing but itself"),
    "itself, around": (
        {"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"type": "null"}, {"not": {"$ref": "#"}}]}}},
        "leads to nothing but itself",
    ),
    "no draft": ({"$schema": 5, "type": "object"}, "no JSON Schema: 5 is not of type 'string'"),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "said"), LOST.values(), ids=LOST)
def test_what_cannot_be_checked_is_said_before_anything_is_asked(schema, said):
    assert said in (why_no_schema(schema) or "")


def test_a_schema_that_holds_itself_within_its_value_is_good():
    schema = {"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"items": {"allOf": [{"$ref": "#"}]}}}}
    assert why_no_schema(schema) is None
    assert isinstance(Schema(schema).parse('{"a": {"b": [{}]}}'), Parsed)
    assert isinstance(Schema(schema).parse('{"a": {"b": [[]]}}'), Failure)


def test_each_schema_is_met_once_however_many_refer_to_it():
    many = {f"d{at}": {"properties": {f"p{n}": {"$ref": f"#/$defs/d{n}"} for n in range(9)}} for at in range(9)}
    found = compiled(json.dumps({"oneOf": [{"$ref": "#/$defs/d0"}], "$defs": many})).references
    assert len(found.nodes) == len({id(node) for node in found.nodes}) == 1 + 1 + 9 + 81


def test_a_schema_is_judged_once_however_many_rows_have_it(monkeypatch):
    met = []
    monkeypatch.setattr(schema_validator, "References", lambda *given: met.append(given) or References(*given))
    for _ in range(3):
        assert why_no_schema({"$id": "urn:once", "items": {"$ref": "#"}}) is None
    assert len(met) == 1
