"""Functions described by documents: types, names, depth, and what makes a document unusable."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.contract import Calls, Kind, Parsed
from listeval.contract.documents import Document, allows, why_unusable


def document(name="shop.find", required=(), **parameters):
    return {"name": name, "parameters": {"type": "dict", "properties": parameters, "required": list(required)}}


def kind_of(raw, arguments, **options):
    result = Calls.of([Document.read(raw, **options)]).parse(
        json.dumps([{"name": raw["name"], "arguments": arguments}])
    )
    return Kind.OK if isinstance(result, Parsed) else result.kind


def accepts(node, value, **options):
    return kind_of(document(x=node), {"x": value}, **options) is Kind.OK


VALUES = ["", "x", 1, 1.5, 2.0, True, None, [], [1], {}, {"a": 1}]


@pytest.mark.parametrize(
    ("types", "taken"),
    [
        (["string"], ["", "x"]),
        (["integer"], [1]),
        (["float", "number"], [1, 1.5, 2.0]),
        (["boolean"], [True]),
        (["array", "tuple"], [[], [1]]),
        (["dict", "object"], [{}, {"a": 1}]),
        (["any"], VALUES),
    ],
)
def test_a_type_takes_its_own_values_and_no_other(types, taken):
    for kind in types:
        assert [repr(value) for value in VALUES if accepts({"type": kind}, value)] == [repr(value) for value in taken]


def test_numbers_that_json_does_not_have_are_refused():
    contract = Calls.of([Document.read(document(x={"type": "float"}))])
    for number in ("NaN", "Infinity", "-Infinity", "1" + "0" * 400):
        assert not isinstance(contract.parse(f'[{{"name": "shop.find", "arguments": {{"x": {number}}}}}]'), Parsed)


@pytest.mark.parametrize("name", ["a.b", "_from", "class", "with space", "ünï-code", "model_fields", "schema", ""])
def test_any_text_is_a_name(name):
    raw = {"name": name, "parameters": {"properties": {name: {"type": "integer"}}, "required": [name]}}
    assert kind_of(raw, {name: 1}) is Kind.OK
    assert kind_of(raw, {}) is Kind.MISSING_KEY
    assert kind_of(raw, {name: 1, "other": 1}) is Kind.EXTRA_KEY


def test_a_function_may_have_no_arguments():
    assert kind_of(document(), {}) is Kind.OK
    assert kind_of(document(), {"x": 1}) is Kind.EXTRA_KEY
    assert kind_of(document(), []) is Kind.BAD_VALUE
    assert kind_of({"name": "f", "parameters": {}}, {}) is Kind.OK


def test_a_null_default_allows_null_and_an_untyped_parameter_everything():
    assert accepts({"type": "integer", "default": None}, None)
    assert not accepts({"type": "integer", "default": 3}, None)
    assert not accepts({"type": "integer", "default": None}, "3")
    assert all(accepts({"type": "integer"}, value, untyped=["x"]) for value in VALUES)


def test_the_insides_of_a_value_are_left_to_whoever_compares_values():
    inner = {"type": "dict", "properties": {"n": {"type": "integer"}}}
    assert accepts({"type": "array", "items": {"type": "integer"}}, ["a"])
    assert accepts(inner, {"m": "a"})
    assert not allows({"type": "array", "items": {"type": "integer"}}, ["a"])
    assert not allows(inner, {"m": 1})
    assert allows(inner, {"n": 1})


def test_an_enum_of_another_type_says_nothing():
    assert not allows({"type": "string", "enum": ["a"]}, "b")
    assert allows({"type": "array", "items": {"type": "string"}, "enum": ["a"]}, ["b"])
    assert allows({"type": "string", "enum": ["a"], "default": None}, None)


def test_the_schema_is_as_deep_as_the_document():
    place = {"type": "dict", "properties": {"x": {"type": "float"}, "y": {"type": "any"}}, "required": ["x"]}
    raw = document(
        required=["p"],
        p={"type": "tuple", "items": place},
        unit={"type": "string", "enum": ["m", "km"], "default": None, "description": "Unit."},
        free={"type": "integer"},
    )
    schema = Document.read(raw, untyped=["free"]).json_schema()
    inner = {"type": "object", "properties": {"x": {"type": "number"}, "y": {}}, "required": ["x"]}
    assert schema == {
        "type": "object",
        "properties": {
            "p": {"type": "array", "items": {**inner, "additionalProperties": False}},
            "unit": {"anyOf": [{"type": "string", "enum": ["m", "km"]}, {"type": "null"}]},
            "free": {},
        },
        "required": ["p"],
        "additionalProperties": False,
    }


def test_the_fingerprint_changes_with_whatever_binds_a_call():
    base = document(x={"type": "integer"})
    others = [
        Document.read(document(x={"type": "float"})),
        Document.read(document(required=["x"], x={"type": "integer"})),
        Document.read(document(y={"type": "integer"})),
        Document.read(base, untyped=["x"]),
    ]
    assert len({found.fingerprint() for found in [Document.read(base), *others]}) == 5
    functions = {"shop.find": Document.read(base).fingerprint()}
    assert Calls.of([Document.read(base)]).spec() == {"shape": "calls", "functions": functions}


def test_of_two_functions_with_one_name_the_first_counts():
    first, second = document(x={"type": "integer"}), document(x={"type": "string"})
    contract = Calls.of([Document.read(first), Document.read(second)])
    assert isinstance(contract.parse('[{"name": "shop.find", "arguments": {"x": 1}}]'), Parsed)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (None, "without a name"),
        ({"parameters": {}}, "without a name"),
        ({"name": "f"}, "'f' has no parameters object"),
        ({"name": "f", "parameters": {"properties": ["x"]}}, "'f' has no parameters object"),
        ({"name": "f", "parameters": {"required": "x"}}, "'f': `required` is not a list of names"),
        (document(x="integer"), "'x' is not described"),
        (document(x={}), "'x' has the unknown type None"),
        (document(x={"type": ["string", "null"]}), "'x' has the unknown type"),
        (document(x={"type": "HashMap"}), "function 'shop.find': parameter 'x' has the unknown type 'HashMap'"),
        (document(x={"type": "array", "items": {"type": "byte"}}), "'x.[]' has the unknown type 'byte'"),
        (document(x={"type": "dict", "properties": {"y": {"type": "byte"}}}), "'x.y' has the unknown type 'byte'"),
        (document(x={"type": "dict", "properties": ["y"]}), "'x': `properties` is not an object"),
        (document(x={"type": "dict", "required": 3}), "'x': `required` is not a list of names"),
        (document(x={"type": "string", "enum": "ab"}), "'x': `enum` is not a list"),
    ],
)
def test_why_a_document_is_unusable(raw, words):
    assert words in why_unusable(raw)


def test_a_good_document_is_usable():
    assert why_unusable(document(x={"type": "array", "items": {"type": "dict", "properties": {}}})) is None


nodes = st.recursive(
    st.sampled_from(["string", "integer", "float", "boolean", "any", "dict"]).map(lambda kind: {"type": kind}),
    lambda inner: (
        st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.dictionaries(st.sampled_from("abc"), inner).map(lambda found: {"type": "dict", "properties": found})
    ),
    max_leaves=5,
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@given(nodes, values)
def test_the_contract_takes_whatever_the_document_allows(node, value):
    assert why_unusable(document(x=node)) is None
    if allows(node, value):
        assert accepts(node, value)
