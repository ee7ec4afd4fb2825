"""Of a union the option that an answer comes closest to speaks, by one rule for JSON Schema and for pydantic."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, RootModel

from listeval import Failure, Kind, ModelSchema, Schema
from listeval.contract.schema_refusals import _SENTENCE


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


GOODS = closed(kind={"const": "goods"}, qty={"type": "integer"}, unit={"type": "number"})
SERVICE = closed(kind={"const": "service"}, hours={"type": "number"})


class Goods(BaseModel):
    kind: Literal["goods"]
    qty: int
    unit: float


class Service(BaseModel):
    kind: Literal["service"]
    hours: float


class Lines(BaseModel):
    lines: list[Goods | Service]


class Turned(BaseModel):
    lines: list[Service | Goods]


def within(*options: dict[str, Any], word: str = "anyOf") -> Schema:
    return Schema(closed(lines={"type": "array", "items": {word: list(options)}}))


REFERRED = Schema({**closed(lines={"items": {"oneOf": [{"$ref": "#/$defs/s"}, {"allOf": [{"$ref": "#/$defs/g"}]}]}}),
                   "$defs": {"g": GOODS, "s": SERVICE}})  # fmt: skip
CONTRACTS = {
    "any of": within(GOODS, SERVICE), "turned": within(SERVICE, GOODS), "one of": within(SERVICE, GOODS, word="oneOf"),
    "with null": within({"type": "null"}, SERVICE, GOODS), "references": REFERRED,
    "nested": within({"anyOf": [{"type": "string"}, SERVICE]}, {"oneOf": [{"type": "integer"}, GOODS]}),
    "pydantic": ModelSchema(Lines), "pydantic, turned": ModelSchema(Turned),
}  # fmt: skip
ANSWERS = {
    "a value of the tagged option": ({"kind": "goods", "qty": True, "unit": 1.1}, {"qty": "bad_value"}),
    "a tag of no option": ({"kind": "good", "qty": 3, "unit": 1.1}, {"kind": "bad_value"}),
    "a tag of no option, and a fault": (
        {"kind": "good", "qty": "3", "unit": 1}, {"kind": "bad_value", "qty": "bad_value"},
    ),
    "no tag": ({"hours": 2}, {"kind": "missing_key"}),
    "the tag against the other keys": (
        {"kind": "service", "qty": 3, "unit": 1.1},
        {"hours": "missing_key", "qty": "extra_key", "unit": "extra_key"},
    ),
    "a key too many": ({"kind": "service", "hours": 1, "zq": 1}, {"zq": "extra_key"}),
}  # fmt: skip


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
@pytest.mark.parametrize(("line", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_the_option_that_the_answer_is_closest_to_speaks(contract, line, expected):
    text = json.dumps({"lines": [line]})
    assert {path: kind.value for path, kind in contract.broken(text)} == {
        ("lines", 0, key): kind for key, kind in expected.items()
    }
    found = contract.parse(text)
    assert isinstance(found, Failure)
    assert any(f"'lines.0.{key}'" in found.detail for key in expected), found.detail


TAGS = ("a", "b", "c", "d")


@settings(max_examples=60, deadline=None)
@given(
    st.permutations(TAGS), st.sampled_from(["anyOf", "oneOf"]), st.sampled_from(TAGS), st.data(),
    st.lists(st.sampled_from(["p", "q", "r", "s"]), min_size=1, unique=True),
)  # fmt: skip
def test_a_right_tag_speaks_for_its_option_however_much_is_wrong(order, word, tag, data, wrong):
    """Closed options of one tag and values of their own: the faults told are those made, whatever else there is."""
    values = {each: data.draw(st.sets(st.sampled_from(["p", "q", "r", "s"])), label=each) for each in TAGS}
    options = [
        closed(tag={"const": each}, **{key: {"type": "integer"} for key in sorted(values[each])}) for each in order
    ]
    answer = {"tag": tag, **{key: "x" if key in wrong else 1 for key in sorted(values[tag])}}
    expected = {(key,) for key in values[tag] & set(wrong)}
    assert {path for path, _ in Schema({word: options}).broken(json.dumps(answer))} == expected


@pytest.mark.parametrize("depth", range(4))
@pytest.mark.parametrize("word", ["anyOf", "oneOf"])
def test_a_constant_speaks_for_its_option_at_any_depth(depth, word):
    """As in a tool call, whose name and arguments stand below `function`."""
    weather = closed(city={"type": "string"}, days={"type": "integer"})
    options = [
        closed(name={"const": each}, arguments=inner)
        for each, inner in (("time", {"type": "object"}), ("weather", weather))
    ]
    answer: Any = {"name": "weather", "arguments": {"city": 5, "days": "3"}}
    place: tuple[str | int, ...] = ()
    for step in range(depth, 0, -1):
        answer, place = ({"part": answer}, ("part", *place)) if step % 2 == 0 else ([answer], (0, *place))
    contract = Schema(closed(u={word: [_turned(option, depth) for option in options]}))
    found = {path for path, _ in contract.broken(json.dumps({"u": answer}))}
    assert found == {("u", *place, "arguments", key) for key in ("city", "days")}


def _turned(inner: dict[str, Any], depth: int) -> dict[str, Any]:
    """The schema in lists and objects by turns, as the answer is."""
    for step in range(depth, 0, -1):
        inner = closed(part=inner) if step % 2 == 0 else {"type": "array", "items": inner}
    return inner


@pytest.mark.parametrize(("due", "absent", "said"), [(3, 4, "x0"), (4, 3, "p0"), (2, 9, "x0")])
def test_keys_that_depend_on_another_count_once_each(due, absent, said):
    options = [{"type": "object", "dependentRequired": {"t": [f"x{at}" for at in range(due)]}},
               {"type": "object", "required": [f"p{at}" for at in range(absent)]}]  # fmt: skip
    found = Schema({"oneOf": options}).broken('{"t": 1}')
    assert found[0] == ((said,), Kind.MISSING_KEY) and len(found) == min(due, absent)


@pytest.mark.parametrize("forbidden", [False, {"type": "null"}, {"not": {}}])
def test_a_key_that_an_option_forbids_is_wrong_in_it(forbidden):
    card = {"properties": {"kind": {"const": "card"}, "iban": forbidden}}
    contract = Schema({"type": "object", "oneOf": [{"properties": {"kind": {"const": "cash"}}}, card]})
    assert contract.broken('{"kind": "card", "iban": "x"}') == [(("iban",), Kind.BAD_VALUE)]


@pytest.mark.parametrize(
    ("options", "value", "said"),
    [
        ([{"type": "string"}, {"type": "null"}], 5, "5 is not of type 'string', nor of type 'null'"),
        ([{"enum": ["x", "y"]}, {"type": "null"}], "z", "'z' is not one of ['x', 'y'], nor of type 'null'"),
        ([{"const": 1}, {"const": 2}], 3, "3 is not 1, nor 2"),
        ([{"type": "null"}, {"type": "string", "maxLength": 2}], "abc", "'abc' is too long (at most 2 characters"),
        ([{"type": "null"}, {"type": "integer", "minimum": 3}], 1, "1 is less than the minimum of 3"),
        ([{"anyOf": [{"type": "null"}, {"const": 1}]}, {"type": "string"}], 5, "of type 'null', nor 1, nor of type"),
        ([{"type": "object", "required": ["x"]}, {"type": "array"}], {}, "lacks 'a.x'"),
        ([{"type": "array", "items": {"type": "string"}}, {"type": "string"}], ["x", 1], "'a.1' does not fit: 1 is"),
        ([False, {"type": "null"}], 1, "1 is not of type 'null'"),
    ],
)  # fmt: skip
def test_what_no_option_takes_itself_is_said_once(options, value, said):
    contract = Schema({"properties": {"a": {"anyOf": options}}})
    assert said in contract.parse(json.dumps({"a": value})).detail


LONG = {"a" * 9: ["b" * 40] * 30}
REASONS = {
    "maxLength": ({"maxLength": 3}, "x" * 400, "is too long (at most 3 characters, not 400)"),
    "minLength": ({"minLength": 999}, "x" * 400, "is too short (at least 999 characters, not 400)"),
    "maxItems": ({"maxItems": 3}, [LONG] * 9, "is too long (at most 3 items, not 9)"),
    "minItems": ({"minItems": 99}, [LONG] * 9, "is too short (at least 99 items, not 9)"),
    "maxProperties": ({"maxProperties": 1}, {**LONG, "b": 1}, "(at most 1 keys, not 2)"),
    "minProperties": ({"minProperties": 3}, LONG, "(at least 3 keys, not 1)"),
    "uniqueItems": ({"uniqueItems": True}, [LONG] * 2, "has non-unique elements"),
    "pattern": ({"pattern": "^y$"}, "x" * 400, "does not match '^y$'"),
    "type": ({"type": "integer"}, LONG, "is not of type 'integer'"),
    "enum": ({"enum": ["one", "two"]}, "x" * 400, "is not one of ['one', 'two']"),
    "const": ({"const": [LONG]}, LONG, "was expected"),
    "not": ({"not": {"type": "object"}}, LONG, "should not be valid under {'type': 'object'}"),
    "contains": ({"contains": {"type": "null"}}, [LONG], "does not contain items"),
    "multipleOf": ({"multipleOf": 7}, 10**300 + 1, "is not a multiple of 7"),
    "maximum": ({"maximum": 7}, 10**300, "greater than the maximum of 7"),
    "oneOf": ({"oneOf": [{"type": "object"}, {"minProperties": 1}]}, LONG, "valid under more than one"),
    "anyOf": ({"anyOf": [{"type": "string"}, {"type": "null"}]}, LONG, "is not of type 'string', nor of type 'null'"),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "value", "reason"), REASONS.values(), ids=REASONS)
def test_the_reason_is_said_however_long_the_value(schema, value, reason):
    for found in (Schema({"properties": {"k": schema}}).parse(json.dumps({"k": value})),
                  Schema({"items": schema}).parse(json.dumps([value]))):  # fmt: skip
        assert isinstance(found, Failure) and reason in found.detail
        assert len(found.detail) <= _SENTENCE + 60


class Union(BaseModel):
    a: str | int | None = None
    u: Goods | Service = Field(default=Service(kind="service", hours=1))
    t: Goods | Service | None = Field(None, discriminator="kind")


class Root(RootModel[Goods | Service]):
    pass


@pytest.mark.parametrize(
    ("model", "answer", "expected"),
    [
        (Union, {"a": {"n": 1}}, {("a",): Kind.BAD_VALUE}),
        (Union, {"a": []}, {("a",): Kind.BAD_VALUE}),
        (Union, {"u": {"kind": "service"}}, {("u", "hours"): Kind.MISSING_KEY}),
        (Union, {"u": "x"}, {("u",): Kind.BAD_VALUE}),
        (Union, {"t": {"hours": 1}}, {("t", "kind"): Kind.MISSING_KEY}),
        (Union, {"t": {"kind": "x"}}, {("t", "kind"): Kind.BAD_VALUE}),
        (Union, {"t": {"kind": "service", "hours": "1"}}, {("t", "hours"): Kind.BAD_VALUE}),
        (Root, {"kind": "service"}, {("hours",): Kind.MISSING_KEY}),
        (Root, {"kind": "service", "hours": 1}, {}),
    ],
)
def test_a_place_in_a_model_s_union_is_a_place_in_the_answer_and_counted_once(model, answer, expected):
    assert ModelSchema(model).broken(json.dumps(answer)) == list(expected.items())


def test_every_place_is_told_however_many_there_are():
    schema = closed(a={"items": {"type": "integer"}}, z={"type": "integer"})
    found = Schema(schema).broken(json.dumps({"a": ["x"] * 100}))
    assert len(found) == 101 and (("z",), Kind.MISSING_KEY) in found
    keys = {"allOf": [{"properties": {"a": True}}], "unevaluatedProperties": False}
    assert [path for path, _ in Schema(keys).broken('{"a": 1, "b": 1, "c": 2}')] == [("b",), ("c",)]
