"""A schema as one expression: exactly its values, in exactly the spellings that the policy allows."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

jsonschema = pytest.importorskip("jsonschema")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from listeval.contract.separators import Separators  # noqa: E402
from listeval.decoding.bind import schema_form  # noqa: E402
from listeval.decoding.constraint import Constraint, RegexForm  # noqa: E402
from listeval.decoding.disjoint import disjoint  # noqa: E402
from listeval.decoding.json_pattern import OPEN, NotRegular, SeparatorPatterns, json_pattern  # noqa: E402
from listeval.decoding.permutation.number_form import NumberForm  # noqa: E402
from listeval.decoding.proof.probes import Unfillable, alternatives, valid, violations  # noqa: E402
from listeval.decoding.spacing import Spacing  # noqa: E402
from listeval.errors import UserError  # noqa: E402
from listeval.plugins.registry import load_task  # noqa: E402

NAMES = st.sampled_from(["a", "b c", 'q"', "é🙂", "x.y*", "n\n"])


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    def build(properties: dict[str, Any], some: frozenset[str]) -> dict[str, Any]:
        required = [name for name in properties if name not in some]
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}

    return st.builds(build, st.dictionaries(NAMES, inner, max_size=4), st.frozensets(NAMES, max_size=3))


def arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    def build(items: Any, least: int, more: int | None) -> dict[str, Any]:
        upper = {} if more is None else {"maxItems": least + more}
        return {"type": "array", "items": items, "minItems": least, **upper}

    return st.builds(build, inner, st.integers(0, 3), st.none() | st.integers(0, 2))


LEAVES = st.sampled_from(
    [
        {"type": "string"}, {"type": "string", "minLength": 2, "maxLength": 3}, {"type": "boolean"}, {"type": "null"},
        {"type": "integer"}, {"type": "integer", "minimum": -3, "maximum": 12}, {"type": "number"},
        {"type": "number", "minimum": 0}, {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 9},
        {"enum": ["red", 'a"b', 3, None]}, {"const": {"k": [1, "v"]}}, {"type": ["string", "null"]},
    ]
)  # fmt: skip
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: objects(inner) | arrays(inner) | st.lists(inner, min_size=1, max_size=3).map(lambda o: {"anyOf": o}),
    max_leaves=8,
)


def texts(value: Any) -> list[str]:
    """A value as `either` may write it: each separator its own way."""
    pairs = [(comma, colon) for comma in (",", ", ") for colon in (":", ": ")]
    return [json.dumps(value, ensure_ascii=False, separators=pair) for pair in pairs]


@settings(max_examples=150, deadline=None)
@given(SCHEMAS)
def test_exactly_the_values_of_a_schema(schema: dict[str, Any]) -> None:
    pattern = re.compile(json_pattern(schema, SeparatorPatterns.of(Spacing.EITHER)))
    try:
        good = [valid(schema), *(probe.value for probe in alternatives(schema))]
    except Unfillable:
        return
    admits = jsonschema.Draft202012Validator(schema).is_valid
    for value in good:
        assert admits(value)
        assert all(pattern.fullmatch(text) for text in texts(value)), (schema, value)
    for probe in violations(schema):
        assert not any(pattern.fullmatch(text) for text in texts(probe.value)), (schema, probe)


@settings(max_examples=100, deadline=None)
@given(SCHEMAS, st.sampled_from(list(Spacing)))
def test_spelling_is_the_policys(schema: dict[str, Any], spacing: Spacing) -> None:
    gold = Separators(", ", ":")
    pattern = re.compile(json_pattern(schema, SeparatorPatterns.of(spacing, gold)))
    value = valid(schema)
    compact, usual, own = (
        json.dumps(value, ensure_ascii=False, separators=pair) for pair in ((",", ":"), (", ", ": "), gold)
    )
    indented = json.dumps(value, ensure_ascii=False, indent=1)
    expected = {
        Spacing.EITHER: {compact, usual, own},
        Spacing.GOLD: {own},
        Spacing.COMPACT: {compact},
        Spacing.FREE: {compact, usual, own, indented},
    }[spacing]
    for text in (compact, usual, own, indented):
        assert (pattern.fullmatch(text) is not None) == (text in expected), (schema, text)
    if spacing is not Spacing.FREE:
        assert not pattern.fullmatch(" " + own) and not pattern.fullmatch(own + " ")


def test_strings_are_those_of_json() -> None:
    pattern = re.compile(json_pattern({"type": "string"}, SeparatorPatterns.of(Spacing.EITHER)))
    for good in ("a b", 'q"', "\\", "\n", "é🙂", "\x7f"):
        assert pattern.fullmatch(json.dumps(good, ensure_ascii=False))
        json.loads(json.dumps(good))
    assert pattern.fullmatch(r'"\u00e9\/"')
    for bad in ('"\n"', '"\\x"', '"a', 'a"', r'"\ud83d"', '"a"b"', "'a'"):
        assert not pattern.fullmatch(bad)


@pytest.mark.parametrize("schema", [{"type": "number"}, {"type": "integer"}, {"type": "number", "minimum": 0}])
def test_no_number_is_endless(schema: dict[str, Any]) -> None:
    pattern = re.compile(json_pattern(schema, SeparatorPatterns.of(Spacing.EITHER)))
    assert pattern.fullmatch("7" * 15) and not pattern.fullmatch("7" * 40)
    assert not pattern.fullmatch("7." + "7" * 40)
    assert bool(pattern.fullmatch("6.02e23")) == bool(pattern.fullmatch("0.5")) == (schema["type"] == "number")
    assert not pattern.fullmatch("07") and not pattern.fullmatch("1.")


def test_a_promise_bounds_the_numbers_that_state_nothing() -> None:
    schema = {"type": "array", "items": {"type": "number"}}
    pattern = re.compile(json_pattern(schema, SeparatorPatterns.of(Spacing.EITHER), NumberForm(0, 10, 1)))
    assert pattern.fullmatch("[0, 10,7.5,10.0]")
    assert not any(map(pattern.fullmatch, ("[11]", "[7.55]", "[-1]", "[1e1]", "[78787]")))


NODE = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}}


@pytest.mark.parametrize(
    ("schema", "keyword"),
    [
        ({"type": "string", "pattern": "^a$"}, "pattern"),
        ({"type": "string", "format": "date"}, "format"),
        ({"$ref": "#/$defs/node", "$defs": {"node": NODE}}, "$ref"),
        ({}, OPEN),
        ({"type": "object"}, OPEN),
        ({"type": "array", "items": {"enum": [1]}, "uniqueItems": True}, "uniqueItems"),
        ({"type": "number", "multipleOf": 0.5}, "multipleOf"),
        ({"allOf": [{"type": "string"}, {"minLength": 1}]}, "allOf"),
        ({"type": "object", "properties": {"a": {"not": {}}}}, OPEN),
        ({"not": {"type": "string"}}, OPEN),
    ],
)
def test_what_is_not_regular_says_why(schema: dict[str, Any], keyword: str) -> None:
    with pytest.raises(NotRegular) as error:
        json_pattern(schema, SeparatorPatterns.of(Spacing.EITHER))
    assert error.value.keyword == keyword


def test_references_that_end_are_followed() -> None:
    schema = {
        "type": "array",
        "items": {"$ref": "#/$defs/a~1b"},
        "$defs": {"a/b": {"type": "object", "properties": {"v": {"$ref": "#/$defs/n"}}, "required": ["v"]},
                  "n": {"type": "integer"}},
    }  # fmt: skip
    assert re.fullmatch(json_pattern(schema, SeparatorPatterns.of(Spacing.GOLD)), '[{"v": 1}, {"v": 2}]')


def test_optional_keys_keep_their_order() -> None:
    inner = {"type": "integer"}
    schema = {"type": "object", "properties": {"a": inner, "b": inner, "c": inner}, "required": ["b"]}
    pattern = re.compile(json_pattern(schema, SeparatorPatterns.of(Spacing.COMPACT)))
    for good in ('{"b":1}', '{"a":1,"b":1}', '{"b":1,"c":1}', '{"a":1,"b":1,"c":1}'):
        assert pattern.fullmatch(good)
    for bad in ("{}", '{"a":1}', '{"c":1,"b":1}', '{"b":1,}', '{,"b":1}', '{"b":1,"b":1}'):
        assert not pattern.fullmatch(bad)


def test_gold_without_separators_is_refused() -> None:
    with pytest.raises(UserError, match="not spaced in one way"):
        SeparatorPatterns.of(Spacing.GOLD, None)


@pytest.mark.parametrize("name", ["fashion", "msmarco", "gsm8k", "mbpp", "bfcl"])
@pytest.mark.parametrize("spacing", [Spacing.EITHER, Spacing.GOLD])
def test_gold_answers_of_the_tasks_can_be_written(name: str, spacing: Spacing) -> None:
    task = load_task(name)()
    forms = 0
    for example in task.load(None, 0).examples[:40]:
        bound, gold = task.contract(example.target), task.gold(example.target)
        bound.separators = Separators.of(gold)
        form = schema_form(Constraint("schema", "xgrammar", spacing), bound)
        if isinstance(form, RegexForm):
            forms += 1
            assert re.fullmatch(form.pattern, gold), gold
    assert forms > 20


def pattern_of(schema: dict[str, Any]) -> re.Pattern[str]:
    return re.compile(json_pattern(schema, SeparatorPatterns.of(Spacing.EITHER)))


ENDS = [-1e6, -100, -0.5, 0, 0.5, 1, 7.25, 16, 100, 1e5, 1e9, 1e14]
BOUNDED = st.builds(
    lambda kind, words, ends: {"type": kind, **dict(zip(words, sorted(ends), strict=False))},
    st.sampled_from(["number", "integer"]),
    st.sampled_from(
        [("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum"), ("minimum", "exclusiveMaximum"),
         ("exclusiveMaximum",), ("exclusiveMinimum",), ("exclusiveMinimum", "maximum")]
    ),
    st.lists(st.sampled_from(ENDS), min_size=2, max_size=2, unique=True),
)  # fmt: skip
CLOSED = {"type": "object", "additionalProperties": False}
A = {"a": {"type": "boolean"}}
HARD = st.one_of(
    BOUNDED,
    st.sampled_from(
        [
            {**CLOSED, "properties": A, "required": ["a", "b"]},
            {"type": "object", "additionalProperties": {"type": "null"}, "required": ["x"]},
            {"oneOf": [{"type": "number"}, {"type": "integer"}]},
            {"oneOf": [{"enum": [1, "x"]}, {"enum": [1.0, "y"]}]},
            {"oneOf": [{"type": "string"}, {"type": ["null", "boolean"]}]},
            {"type": "integer", "maximum": 2**63 - 1},
            {"type": "number", "minimum": -1.797e308, "exclusiveMaximum": 100},
        ]
    ),
)


# Several texts of each: to make Hypothesis' strategy of an expression takes longer than all else.
@settings(max_examples=40, deadline=None)
@given(HARD, st.data())
def test_what_the_expression_writes_the_schema_admits(schema: dict[str, Any], data: st.DataObject) -> None:
    try:
        pattern = pattern_of(schema)
    except NotRegular:
        return
    except UserError as error:
        assert "holds no number" in str(error)
        return
    texts = data.draw(st.lists(st.from_regex(pattern, fullmatch=True), min_size=5, max_size=5))
    validator = jsonschema.Draft202012Validator(schema)
    assert [text for text in texts if not validator.is_valid(json.loads(text))] == []


@pytest.mark.parametrize(
    ("schema", "text", "written"),
    [
        ({"type": "number", "exclusiveMaximum": 100}, "100", False),
        ({"type": "number", "exclusiveMaximum": 100}, "99.999999999999", True),
        ({"type": "number", "exclusiveMinimum": 100}, "100.0", False),
        ({"type": "integer", "exclusiveMinimum": 0.5}, "1", True),
        ({"type": "integer", "exclusiveMinimum": 0.5}, "0", False),
        ({"type": "integer", "minimum": 0, "maximum": 2**63 - 1}, "999999999999999", True),
        ({"type": "integer", "minimum": 0, "maximum": 2**63 - 1}, "-1", False),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, "null", True),
    ],
)
def test_bounds_are_those_of_the_schema_as_far_as_doubles_tell(schema: Any, text: str, written: bool) -> None:
    assert bool(pattern_of(schema).fullmatch(text)) is written


@pytest.mark.parametrize(
    ("schema", "keyword"),
    [
        ({**CLOSED, "properties": A, "required": ["a", "b"]}, "required"),
        ({"type": "object", "additionalProperties": {"type": "null"}, "required": ["x"]}, "required"),
        ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, "oneOf"),
        ({"type": "integer", "minimum": 2**63}, "minimum"),
    ],
)
def test_what_the_expression_cannot_say_is_left_to_the_engine(schema: Any, keyword: str) -> None:
    with pytest.raises(NotRegular) as raised:
        pattern_of(schema)
    assert raised.value.keyword == keyword


def tagged(tag: Any, **more: Any) -> dict[str, Any]:
    return {**CLOSED, "properties": {"kind": {"const": tag}, **more}, "required": ["kind"]}


@pytest.mark.parametrize(
    ("options", "apart"),
    [
        ([tagged("cat"), tagged("dog", **A)], True),
        ([tagged("cat"), tagged("cat", **A)], False),
        ([{"$ref": "#/$defs/cat"}, tagged("dog")], True),
        ([{"$ref": "#/$defs/nothing"}, tagged("dog")], False),
        ([{"$ref": "#/$defs/loop"}, {"type": "null"}], False),
        ([{"type": "string"}, {"type": "null"}, {"enum": [1]}], False),
        ([{"type": "string"}, {"type": "null"}], True),
        ([{"enum": [1]}, {"enum": [2, "x"]}], True),
        ([{"enum": [1]}, {"const": 1.0}], False),
        ([True, {"type": "null"}], False),
    ],
)
def test_options_are_apart_only_where_that_is_certain(options: Any, apart: bool) -> None:
    root = {"$defs": {"cat": tagged("cat"), "loop": {"$ref": "#/$defs/loop"}}}
    assert disjoint(options, root) is apart
