"""`Schema`: jsonschema decides what is valid, kinds and places are as of every other contract, nothing is fetched."""

from __future__ import annotations

import json
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from listeval.contract import Failure, Flag, Kind, Parsed, Schema
from listeval.contract.schema_validator import schema_validator, why_no_schema

ORDER = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "state": {"enum": ["open", "closed"]},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}, "maxItems": 2},
    },
    "required": ["id", "state"],
    "additionalProperties": False,
    "$defs": {"line": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}},
}
UNION = {"anyOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"type": "array"}]}
D7 = "http://json-schema.org/draft-07/schema#"
LIST = {"type": "array", "items": {"type": "integer"}, "maxItems": 2}


@pytest.mark.parametrize(
    ("schema", "text", "kind", "said"),
    [
        (ORDER, '{"id": 1}', Kind.MISSING_KEY, "lacks 'state'"),
        (ORDER, '{"id": 1, "state": "open", "lines": [{}]}', Kind.MISSING_KEY, "lacks 'lines.0.n'"),
        (ORDER, '{"id": 1, "state": "open", "more": 2}', Kind.EXTRA_KEY, "unknown key 'more'"),
        (ORDER, '{"id": 1, "id": 1, "state": "open"}', Kind.EXTRA_KEY, "twice"),
        (ORDER, '{"id": "1", "state": "open"}', Kind.BAD_VALUE, "'id' does not fit: '1' is not of type 'integer'"),
        (ORDER, '{"id": true, "state": "open"}', Kind.BAD_VALUE, "'id'"),
        (ORDER, '{"id": 1, "state": "{new}"}', Kind.BAD_VALUE, "'{new}' is not one of"),
        (ORDER, '{"id": 1, "state": "open", "lines": [{"n": 1}, {"n": 1.5}]}', Kind.BAD_VALUE, "lines.1.n"),
        (ORDER, '{"id": NaN, "state": "open"}', Kind.BAD_VALUE, "finite"),
        (ORDER, '{"id": 1e999, "state": "open"}', Kind.BAD_VALUE, "finite"),
        (ORDER, '{"id": 1, "state": "open",,}', Kind.MALFORMED_JSON, ""),
        (ORDER, '["id"]', Kind.WRONG_TYPE, "a list where a JSON object is due"),
        (ORDER, "Order 1 is open.", Kind.NO_JSON, ""),
        (ORDER, "", Kind.EMPTY, ""),
        (LIST, "[1, 2, 3]", Kind.TOO_LONG, ""),
        (LIST, '[1, "2"]', Kind.BAD_VALUE, "'1' does not fit"),
        (LIST, '{"a": 1}', Kind.WRONG_TYPE, ""),
        (UNION, '"words"', Kind.WRONG_TYPE, "JSON value"),
        (UNION, '{"a": "1"}', Kind.BAD_VALUE, "'a'"),
        (UNION, '{"b": 1}', Kind.MISSING_KEY, "lacks 'a'"),
        ({"type": "integer", "minimum": 3}, "2", Kind.BAD_VALUE, "less than the minimum"),
        ({"type": "integer"}, '"2"', Kind.WRONG_TYPE, ""),
        ({"type": "number"}, "NaN", Kind.NO_JSON, ""),
        ({"const": "yes"}, '"no"', Kind.BAD_VALUE, "'yes' was expected"),
        ({"type": "object", "dependentRequired": {"a": ["b"]}}, '{"a": 1}', Kind.MISSING_KEY, "lacks 'b'"),
        ({"type": "object", "propertyNames": {"pattern": "^x"}}, '{"a": 1}', Kind.EXTRA_KEY, "'a'"),
        ({"type": "object", "properties": {"a": False}}, '{"a": 1}', Kind.BAD_VALUE, "False schema"),
    ],
)  # fmt: skip
def test_every_refusal_has_its_kind_and_says_where(schema, text, kind, said):
    found = Schema(schema).parse(text)
    assert isinstance(found, Failure) and not found.raised
    assert found.kind is kind, found.detail
    assert said in found.detail


@pytest.mark.parametrize(
    ("schema", "text", "value", "flags"),
    [
        (ORDER, '{"id": 1.0, "state": "open"}', {"id": 1.0, "state": "open"}, ()),
        (LIST, "Here:\n```json\n[1, 2]\n```", [1, 2], (Flag.FENCED, Flag.PROSE_WRAPPED)),
        (UNION, "[]", [], ()),
        (UNION, 'So: {"a": 1}', {"a": 1}, (Flag.PROSE_WRAPPED,)),
        ({"type": "integer"}, " 5\n", 5, ()),
        ({"type": "string"}, '```\n"a [b] {c}"\n```', "a [b] {c}", (Flag.FENCED,)),
        ({"enum": [None]}, "null", None, ()),
        ({}, "true", True, ()),
    ],
)  # fmt: skip
def test_a_valid_answer_of_any_type_parses_to_what_it_is(schema, text, value, flags):
    found = Schema(schema).parse(text)
    assert isinstance(found, Parsed), found
    assert (found.value, found.flags) == (value, flags)
    assert type(found.value) is type(value)


OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}}
NUMBERS = {"type": "array", "items": {"type": "integer"}}


@pytest.mark.parametrize(
    ("schema", "text", "kind"),
    [
        (OBJECT, '[{"a": 1}]', Kind.WRONG_TYPE),
        (OBJECT, 'So: [{"a": 1}] is it.', Kind.WRONG_TYPE),
        (OBJECT, '```json\n[{"a": 1}]\n```', Kind.WRONG_TYPE),
        (OBJECT, '[[{"a": 1}]]', Kind.WRONG_TYPE),
        (OBJECT, '[1, {"a": 1}, 2]', Kind.WRONG_TYPE),
        (OBJECT, '[{"a": "x"}]', Kind.WRONG_TYPE),
        (OBJECT, '"{}"', Kind.WRONG_TYPE),
        (OBJECT, '[{"a": 1},]', Kind.MALFORMED_JSON),
        (NUMBERS, '{"x": [1]}', Kind.WRONG_TYPE),
        (NUMBERS, 'So: {"x": [1]}', Kind.WRONG_TYPE),
        (NUMBERS, '"[1]"', Kind.WRONG_TYPE),
        (OBJECT, '```json\n{"a": 1}\n```', Kind.OK),
        (OBJECT, 'As [1] says: {"a": 1}.', Kind.OK),
        (OBJECT, ' {"a": 1}\n', Kind.OK),
        (NUMBERS, "In {x}: [1]", Kind.OK),
    ],
)  # fmt: skip
def test_the_root_is_the_answer_s_own(schema, text, kind):
    found = Schema(schema).parse(text)
    assert (found.kind if isinstance(found, Failure) else Kind.OK) is kind, found


CLOSED = ("[1, 2, 3]", '["x"]', "[0, 1)", "(0, 1]", "[[3], 4]", '["]"]', '[1, 5" wide]', "it's the list", ":", ",")
TURNED = str.maketrans("[]", "{}")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(CLOSED), max_size=6).map(" ".join), st.sampled_from(["", ".", ", as asked.", "]", ",]"])
)
def test_prose_that_closes_its_brackets_holds_no_answer(before, after):
    """Whatever stands right before the answer and right after it; for a list the same with braces."""
    for found in (
        Schema(OBJECT).parse(f'{before} {{"a": 1}}{after}'),
        Schema(NUMBERS).parse(f"{before.translate(TURNED)} [1]{after.translate(TURNED)}"),
    ):
        assert isinstance(found, Parsed), found
        assert Flag.JSON_WRAPPED not in found.flags


OPENED = [(OBJECT, '{"a": 1}', "]", ("[", '[1, "]", ', "[[3], ")),
          (NUMBERS, "[1]", "}", ('{"x": ', '{"y": "}", "x": ', '{"z": {}, "x": '))]  # fmt: skip


@pytest.mark.parametrize(("schema", "block", "end", "opened"), OPENED)
@given(st.data())
def test_json_that_holds_the_answer_does_so_closed_or_not(schema, block, end, opened, data):
    """Whole it is of another type; cut short, or with a comma too many, it is no JSON."""
    parts = data.draw(st.lists(st.sampled_from(opened), min_size=1, max_size=4))
    before, ends = "So: " + "".join(parts), end * len(parts)
    whole = Schema(schema).parse(before + block + ends)
    assert isinstance(whole, Failure) and whole.kind is Kind.WRONG_TYPE, whole
    for after in (ends[1:], "," + ends, ends[1:] + " is it."):
        broken = Schema(schema).parse(before + block + after)
        assert isinstance(broken, Failure) and broken.kind is Kind.MALFORMED_JSON, (after, broken)


@pytest.mark.parametrize(("text", "bare"), [("5", True), ('"a"', True), ("[1]", True), ("It is 5", False), ("", False)])
def test_json_itself_is_bare_whatever_its_type(text, bare):
    assert Schema({}).is_bare(text) is bare


NAMES = st.sampled_from(["a", "b", "c"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.sampled_from(["", "x", "xyz"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
TYPES = ["string", "integer", "number", "boolean", "null", "object", "array"]
LEAF = st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(TYPES)}),
    st.fixed_dictionaries({"enum": st.lists(JSON, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"const": JSON}),
    st.fixed_dictionaries({"type": st.just("integer"), "minimum": st.integers(-2, 2)}),
    # Whole steps alone: of others we say on purpose what `jsonschema` does not (test_exact_multiples.py).
    st.fixed_dictionaries({"multipleOf": st.integers(1, 3)}),
    st.fixed_dictionaries({"minLength": st.integers(0, 3), "pattern": st.sampled_from(["x", "^$", "z$"])}),
    st.booleans(),
)  # fmt: skip


def _node(inner):
    return st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(NAMES, inner, max_size=3)},
            optional={
                "required": st.lists(NAMES, max_size=2, unique=True),
                "additionalProperties": st.booleans() | inner,
                "minProperties": st.integers(0, 2),
                "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True), max_size=1),
                "patternProperties": st.dictionaries(st.just("^b"), inner, max_size=1),
            },
        ),
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner},
            optional={"maxItems": st.integers(0, 3), "uniqueItems": st.booleans(), "contains": inner},
        ),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"not": inner}),
        st.fixed_dictionaries({"if": inner, "then": inner}, optional={"else": inner}),
    )


SCHEMAS = st.recursive(LEAF, _node, max_leaves=6).map(
    lambda node: node if isinstance(node, dict) else {"anyOf": [node]}
)


@settings(max_examples=300, deadline=None)
@given(SCHEMAS, JSON)
def test_what_jsonschema_takes_parses_and_what_it_refuses_has_a_kind(schema, value):
    assert why_no_schema(schema) is None
    valid = Draft202012Validator(schema).is_valid(value)
    text = json.dumps(value)
    found = Schema(schema).parse(text)
    if valid and not isinstance(found, Parsed):
        pytest.fail(f"{text} is valid under {schema}, and refused: {found}")
    if not valid:
        assert isinstance(found, Failure), (schema, text)
        assert not found.raised and found.detail
        assert found.kind in (Kind.WRONG_TYPE, Kind.MISSING_KEY, Kind.EXTRA_KEY, Kind.BAD_VALUE, Kind.TOO_LONG), found
    else:
        assert found.value == value


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ([], "a JSON object"),
        ({"type": "objekt"}, "no JSON Schema"),
        ({"properties": {"a": {"minimum": "3"}}}, "at properties/a/minimum"),
        (
            {"properties": {"a": {"pattern": "(", "type": "string"}}},
            "cannot read the pattern '(': missing )",
        ),
        ({"patternProperties": {"(": {}}}, "Python's re cannot read the pattern '(': missing )"),
        ({"pattern": r"^\p{L}+$"}, r"Python's re cannot read the pattern '^\\p{L}+$': bad escape \p"),
        ({"pattern": "^(?<y>[0-9]{4})$"}, "unknown extension ?<y at position 2 (JSON Schema's patterns are ECMA-262)"),
        ({"$schema": D7, "items": {"pattern": "(?<=a+)b"}}, "patterns are ECMA-262) at items/pattern"),
        ({"$ref": "#/$defs/gone"}, "'#/$defs/gone' is not in the schema"),
        ({"items": {"$ref": "http://127.0.0.1:9/x.json"}}, "nothing is fetched"),
    ],
)
def test_a_schema_that_cannot_be_used_says_why(schema, said):
    assert said in (why_no_schema(schema) or "")


def test_names_and_data_are_no_schemas():
    schema = {
        "properties": {"$ref": {"type": "string"}, "pattern": {"const": {"$ref": "#/no"}}},
        "enum": [{"$ref": "x"}],
    }
    assert why_no_schema(schema) is None


def test_an_address_in_a_schema_is_never_opened(monkeypatch):
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("a connection was opened"))
    found = Schema({"$ref": "http://127.0.0.1:9/x.json"}).parse("{}")
    assert isinstance(found, Failure)
    assert found.raised, "the schema is at fault, not the answer"


def test_the_draft_is_the_schema_s_own():
    old = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "array", "items": [{"type": "integer"}]}
    assert why_no_schema(old) is None
    assert isinstance(Schema(old).parse("[1]"), Parsed)
    assert isinstance(Schema(old).parse('["1"]'), Failure)
    assert schema_validator(dict(old)) is schema_validator(dict(old)), "equal schemas are compiled once"


def test_schemas_are_told_apart_in_the_identity_and_given_to_decoders_as_they_are():
    assert Schema(ORDER).spec() == Schema(dict(ORDER)).spec() != Schema(LIST).spec()
    assert Schema(ORDER).json_schema() == ORDER
    assert list(Schema(ORDER).keys())[:3] == ["id", "state", "lines"]
