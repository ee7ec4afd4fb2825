"""`multipleOf` is what JSON Schema says it is, for decimals too: in this one keyword `jsonschema` is not the judge."""

from __future__ import annotations

import json
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from listeval.contract import Failure, Kind, Parsed, Schema
from listeval.contract.exact_multiples import is_multiple
from listeval.contract.schema_validator import schema_validator, why_no_schema
from listeval.plugins.open import make_task

DRAFTS = {
    "2020-12": "https://json-schema.org/draft/2020-12/schema",
    "2019-09": "https://json-schema.org/draft/2019-09/schema",
    "7": "http://json-schema.org/draft-07/schema#",
    "6": "http://json-schema.org/draft-06/schema#",
    "4": "http://json-schema.org/draft-04/schema#",
}


@pytest.mark.parametrize(
    ("text", "step", "jsonschema_says"),
    [
        ("19.99", 0.01, False),
        ("0.3", 0.1, False),
        ("-0.7", 0.1, False),
        ("0.0000011", 1e-7, False),
        ("1e22", 0.3, True),
    ],
)
def test_where_we_differ_from_jsonschema_on_purpose(text, step, jsonschema_says):
    schema = {"type": "number", "multipleOf": step}
    assert Draft202012Validator(schema).is_valid(json.loads(text)) is jsonschema_says
    assert isinstance(Schema(schema).parse(text), Failure if jsonschema_says else Parsed)


PLAIN = st.decimals(allow_nan=False, allow_infinity=False, min_value="-1e9", max_value="1e9", places=4)
STEPS = st.builds(lambda digits, places: Decimal(digits).scaleb(-places), st.integers(1, 999), st.integers(0, 6))


@given(STEPS, st.integers(-(10**6), 10**6))
def test_every_whole_number_of_steps_is_a_multiple(step, times):
    schema = json.loads(f'{{"type": "number", "multipleOf": {step:f}}}')
    assert isinstance(Schema(schema).parse(f"{step * times:f}"), Parsed)


@given(STEPS, PLAIN)
def test_decimal_arithmetic_is_the_judge_of_any_number(step, value):
    with localcontext(prec=60):
        multiple = value % step == 0
    schema = json.loads(f'{{"type": "number", "multipleOf": {step:f}}}')
    assert isinstance(Schema(schema).parse(f"{value:f}"), Parsed if multiple else Failure)


@given(st.integers(-(10**400), 10**400), st.sampled_from([3, 7, 0.5, 0.01, 0.3, 1e-300, 1e300, 2.5]))
def test_integers_beyond_the_range_of_a_float_are_judged(value, step):
    exact = Decimal(str(step))
    with localcontext(prec=1500):
        multiple = Decimal(value) % exact == 0
    found = Schema({"type": "integer", "multipleOf": step}).parse(str(value))
    assert isinstance(found, Parsed) is multiple
    assert not getattr(found, "raised", "")


@given(st.floats(allow_nan=False) | st.integers(), st.floats(min_value=0, exclude_min=True))
def test_no_number_raises(value, step):
    assert is_multiple(value, step) in (True, False)


@pytest.mark.parametrize("draft", DRAFTS)
def test_it_holds_at_every_node_of_every_draft(draft):
    word = {"$schema": DRAFTS[draft]}
    price = {"multipleOf": 0.01}
    schema = {**word, "type": "object", "properties": {"price": price, "part": {"$ref": "#"}}}
    assert why_no_schema(schema) is None
    for good, text in [(True, "19.99"), (False, "19.995")]:
        for depth in (0, 1, 3):
            answer = '{"part": ' * depth + f'{{"price": {text}}}' + "}" * depth
            assert isinstance(Schema(schema).parse(answer), Parsed) is good, (answer, schema)


@pytest.mark.parametrize("inner", DRAFTS)
def test_it_holds_in_a_part_that_names_a_draft_of_its_own(inner):
    part = {"$id": "urn:example:part", "$schema": DRAFTS[inner], "properties": {"price": {"multipleOf": 0.01}}}
    part = {"id": part.pop("$id"), **part} if inner == "4" else part
    schema = {"$schema": DRAFTS["2020-12"], "items": {"$ref": "#/$defs/part"}, "$defs": {"part": part}}
    admits = schema_validator(schema).is_valid
    assert admits([{"price": 19.99}]) and not admits([{"price": 19.995}])


def test_draft_3_calls_it_otherwise():
    schema = {"$schema": "http://json-schema.org/draft-03/schema#", "divisibleBy": 0.01}
    assert isinstance(Schema(schema).parse("19.99"), Parsed)
    assert isinstance(Schema({**schema, "multipleOf": 5}).parse("19.99"), Parsed), "no keyword of that draft"


def test_what_jsonschema_itself_gives_others_stays_as_it_is():
    schema_validator({"multipleOf": 0.01})
    assert not Draft202012Validator({"multipleOf": 0.01}).is_valid(19.99)


def test_a_price_is_expected_and_right(tmp_path):
    row = {"prompt": "p", "schema": {"type": "number", "multipleOf": 0.01}, "expected": 19.99}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    task = make_task("json", {})
    (example,) = task.load(str(tmp_path / "rows.jsonl"), 0).examples
    found = task.contract(example.target).parse("19.985")
    assert isinstance(found, Failure) and found.kind is Kind.BAD_VALUE
    assert found.detail == "the answer: 19.985 is not a multiple of 0.01"
