"""A schema that says nothing is refused, and what it says in vain is told; what people write on purpose is let be."""

from __future__ import annotations

import pytest
from jsonschema import validators

from listeval import Parsed, Schema
from listeval.contract.schema_validator import schema_doubts, why_no_schema

TICKET = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
D4, D7 = "http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-07/schema#"
FORMAT = {"type": "json_schema", "json_schema": {"name": "t", "strict": True, "schema": TICKET}}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"name": "t", "strict": True, "schema": TICKET}, "the schema is under 'schema'"),
        ({"name": "t", "description": "d", "schema": TICKET}, "the schema is under 'schema'"),
        (FORMAT, "the schema is under 'json_schema.schema'"),
        ({"response_format": FORMAT}, "the schema is under 'response_format.json_schema.schema'"),
        ({"format": {"type": "json_schema", "schema": TICKET}}, "the schema is under 'format.schema'"),
        ({"type": "function", "function": {"name": "f", "parameters": TICKET}}, "under 'function.parameters'"),
        ({"name": "f", "description": "d", "input_schema": TICKET}, "the schema is under 'input_schema'"),
        ({"Ticket": TICKET}, "the schema is under 'Ticket'"),
        ({"a": 1}, "no key of it is a keyword, 'a' neither"),
        ({"ticket": {"number": 41}, "area": "billing"}, "no key of it is a keyword"),
        ({"requierd": ["a"]}, "(did you mean 'required'?)"),
        ({"Properties": {"a": {}}}, "(did you mean 'properties'?)"),
        ({"x-note": "n"}, "no key of it is a keyword"),
        ({"A": TICKET, "B": TICKET}, "no key of it is a keyword"),
    ],
)
def test_what_is_no_schema_is_refused_and_a_wrapper_is_named(schema, said):
    assert said in (why_no_schema(schema) or "")


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({**TICKET, "requierd": ["a"]}, "'requierd' is no keyword of JSON Schema (did you mean 'required'?)"),
        ({**TICKET, "additional_properties": False}, "(did you mean 'additionalProperties'?)"),
        ({**TICKET, "strict": True}, "'strict' is no keyword of JSON Schema, and is not checked"),
        ({"properties": {"a": {"tpye": "integer"}}}, "'tpye' at properties/a is no keyword"),
        ({"items": [{}, {"minlength": 3}], "$schema": D7}, "'minlength' at items/1 is no keyword"),
        ({"anyOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"enums": [1]}}}, "'enums' at $defs/a"),
        ({**TICKET, "dependencies": {"a": ["b"]}}, "'dependencies' is a keyword of another draft"),
        ({"$schema": D7, **TICKET, "dependentRequired": {}}, "'dependentRequired' is a keyword of another draft"),
        ({"$schema": D4, "properties": {"a": {"const": 1}}}, "'const' at properties/a is a keyword of another draft"),
        ({"title": "t"}, "the schema checks nothing"),
        ({"$schema": D7, "type": "object", "$defs": {"x": {"requierd": ["z"]}}}, "'requierd' at $defs/x is no keyword"),
        ({"properties": {"a": {"note": {"type": "null"}}}}, "(did you mean 'not'?)"),
        ({"$schema": "https://example.com/own", "type": "object"}, "'$schema' names no known draft"),
        ({"$schema": "http://json-schema.org/draft-05/schema#", "type": "object"}, "'$schema' names no known draft"),
        ({"$schema": "nonsense", "type": "object"}, "('nonsense'): read as draft 2020-12"),
        ({"$schema": D7, "definitions": {"a": TICKET}}, "the schema checks nothing"),
    ],
)
def test_what_a_sound_schema_says_in_vain_is_told(schema, said):
    assert why_no_schema(schema) is None
    [found] = schema_doubts(schema)
    assert said in found


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {**TICKET, "title": "t", "x-order": 1, "description": "d", "examples": [{"tpye": 1}], "default": {"tpye": 1}},
        {"properties": {"a": {"type": "string", "format": "own", "nullable": True, "example": "e"}}},
        {"oneOf": [TICKET], "discriminator": {"propertyName": "a", "mapping": {}}, "xml": {"names": "n"}},
        {"properties": {"requierd": {"type": "string"}, "schema": {}, "tpye": {}}, "required": ["tpye"]},
        {"$id": "urn:x", "id": "x", "$comment": "c", "definitions": {"tpye": {}}, "type": "object"},
        {"$schema": D7, "type": "object", "dependencies": {"minlenght": ["b"]}, "if": {}, "then": {}, "else": {}},
        {"properties": {"a": {"type": "string", "label": "l", "widget": "w"}}},
        {"properties": {"a": {"type": "string", "note": "x", "tsType": "Foo", "iff": 1, "titles": ["t"]}}},
        {"$schema": D7, "type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {}}},
    ],
)
def test_what_people_write_on_purpose_is_let_be(schema):
    assert why_no_schema(schema) is None
    assert schema_doubts(schema) == []


DRAFTS = ("Draft3", "Draft4", "Draft6", "Draft7", "Draft201909", "Draft202012")


@pytest.mark.parametrize("draft", DRAFTS)
def test_the_schemas_of_the_drafts_say_nothing_in_vain(draft):
    meta = getattr(validators, f"{draft}Validator").META_SCHEMA
    assert why_no_schema(meta) is None
    assert schema_doubts(meta) == []


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("end", ["", "#"])
def test_a_draft_is_known_however_its_address_is_written(draft, scheme, end):
    kind = getattr(validators, f"{draft}Validator")
    address = kind.META_SCHEMA.get("$id") or kind.META_SCHEMA["id"]
    word = f"{scheme}://{address.rstrip('#').partition('://')[2]}{end}"
    schema = {"$schema": word, "type": "object", "properties": {"a": {"$ref": "#/definitions/a", "minLength": 3}},
              "definitions": {"a": {"type": "string"}}}  # fmt: skip
    assert why_no_schema(schema) is None
    assert schema_doubts(schema) == []
    taken = kind(schema).is_valid({"a": "x"})
    assert isinstance(Schema(schema).parse('{"a": "x"}'), Parsed) is taken is (draft not in DRAFTS[-2:])


def test_the_first_place_of_a_slip_is_said_and_how_many_there_are():
    slip = {"requierd": ["z"]}
    schema = {"type": "object", "properties": {"b": {"items": slip}, "a": slip}, "anyOf": [slip], "$defs": {"z": slip}}
    (found,) = schema_doubts(schema)
    assert found.startswith("'requierd' at properties/b/items is no keyword") and found.endswith("so at 3 more places")
