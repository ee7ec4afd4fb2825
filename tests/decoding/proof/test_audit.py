"""What the engines keep, ignore and refuse, measured on schemas with every keyword that contracts use."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

jsonschema = pytest.importorskip("jsonschema")
pytest.importorskip("torch")
for _package in ("xgrammar", "outlines_core", "llguidance"):
    pytest.importorskip(_package)

from pydantic import Field, field_validator, model_validator  # noqa: E402

from listeval.contract import Calls, Item, Record  # noqa: E402
from listeval.contract.schema_nodes import without  # noqa: E402
from listeval.decoding.constraint import Constraint, RegexForm, json_form  # noqa: E402
from listeval.decoding.engines import open_engine  # noqa: E402
from listeval.decoding.json_pattern import SeparatorPatterns, json_pattern  # noqa: E402
from listeval.decoding.proof.audit import FURTHER, UNIQUE, audit, audit_schema  # noqa: E402
from listeval.decoding.proof.audit_rules import audit_rules  # noqa: E402
from listeval.decoding.proof.marked_schema import has_further_rules  # noqa: E402
from listeval.decoding.proof.probes import Unfillable, valid, violations, with_unique_items  # noqa: E402
from listeval.decoding.spacing import Spacing  # noqa: E402
from listeval.errors import UserError  # noqa: E402
from tests.decoding.conftest import contract  # noqa: E402
from tests.decoding.test_schema_engines import STOCK, vocabulary  # noqa: E402

IDS = ("A10", "A1", "Z\"q'", "é 🙂")
RICH: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 4},
        "kind": {"const": "circle"},
        "sides": {"type": "integer", "minimum": 3, "maximum": 8},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "minItems": 1, "maxItems": 2},
        "open": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
    },
    "required": ["name", "kind", "sides", "tags", "open"],
    "additionalProperties": False,
    "$defs": {"tag": {"type": "string", "enum": ["red", "blue"]}},
}


@pytest.fixture
def tiny_backend() -> Any:
    """A backend with a tokenizer and nothing else, as the audit needs it."""
    return lambda tokenizer: SimpleNamespace(name="hf", renderer=SimpleNamespace(tokenizer=tokenizer))


@pytest.mark.parametrize("schema", [RICH, json_form(contract(IDS)).schema, with_unique_items(RICH)])
def test_a_probe_breaks_its_keyword_and_nothing_else(schema: dict[str, Any]) -> None:
    jsonschema.validate(valid(schema), schema)
    seen = set()
    for probe in violations(schema):
        errors = [error.validator for error in jsonschema.Draft202012Validator(schema).iter_errors(probe.value)]
        # A list of one enum's words grown by one repeats a word.
        assert probe.keyword in errors or "anyOf" in errors, (probe, errors)
        assert set(errors) <= {probe.keyword, UNIQUE, "anyOf"}, (probe, errors)
        seen.add(probe.keyword)
    assert {"enum", "required", "additionalProperties", "minItems", "maxItems", "type"} <= seen


def test_a_schema_of_schemas_gives_no_probes() -> None:
    with pytest.raises(Unfillable):
        valid({"allOf": [{"type": "string"}, {"minLength": 2}]})


@pytest.mark.parametrize("name", STOCK)
def test_fates_of_the_ranking_contract(name: str, byte_level: Any) -> None:
    found = audit_schema(
        json_form(contract(IDS)).schema, open_engine(name, vocabulary(byte_level)), vocabulary(byte_level)
    )
    kept = ("additionalProperties", "enum", "maxItems", "minItems", "required", "type")
    fate = {"xgrammar": "ignored", "outlines": "ignored", "llguidance": "refused"}[name]
    assert found == {"engine": name, "valid": "accepted", "keywords": {**dict.fromkeys(kept, "kept"), UNIQUE: fate}}


@pytest.mark.parametrize("name", STOCK)
def test_a_space_before_the_text_is_not_measured(name: str, spaced: Any) -> None:
    words = vocabulary(spaced)
    found = audit_schema(json_form(contract(("A1", "B2"))).schema, open_engine(name, words), words)
    assert found["valid"] == "accepted"
    assert found["keywords"][UNIQUE] == ("refused" if name == "llguidance" else "ignored")
    rules = audit_rules(Constraint("permutation", "own"), contract(("A1", "B2")), words)
    assert rules["valid"] == "accepted" and set(rules["rules"].values()) == {"kept"}


def test_an_engine_that_refuses_everything_keeps_nothing(byte_level: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, words = open_engine("xgrammar", vocabulary(byte_level)), vocabulary(byte_level)
    monkeypatch.setattr("listeval.decoding.proof.audit.walk", lambda *_: False)
    monkeypatch.setattr("listeval.decoding.proof.audit_rules.walk", lambda *_: False)
    found = audit_schema(json_form(contract(IDS)).schema, engine, words)
    assert found["valid"] == "refused" and set(found["keywords"].values()) == {"untested"}
    rules = audit_rules(Constraint("permutation", "xgrammar"), contract(IDS), words)
    assert rules["valid"] == "refused" and set(rules["rules"].values()) == {"untested"}


@pytest.mark.parametrize("name", STOCK)
def test_fates_of_numbers_and_lengths(name: str, byte_level: Any) -> None:
    engine = open_engine(name, vocabulary(byte_level))
    found = audit_schema(RICH, engine, vocabulary(byte_level))
    # outlines' regular expression has no room for a bound of an integer, and says nothing.
    bounds = "ignored" if name == "outlines" else "kept"
    assert found["keywords"]["minimum"] == found["keywords"]["maximum"] == bounds
    assert found["valid"] == "accepted"
    assert {found["keywords"][word] for word in ("const", "enum", "maxLength", "minLength", "required")} == {"kept"}


@pytest.mark.parametrize("name", STOCK)
def test_a_keyword_without_a_probe_is_untested(name: str, byte_level: Any) -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string", "format": "zodiac"}, "b": {"type": "integer", "minimum": 1}},
        "required": ["a", "b"],
        "additionalProperties": False,
    }
    engine = open_engine(name, vocabulary(byte_level))
    try:
        found = audit_schema(schema, engine, vocabulary(byte_level))
    except UserError as error:
        assert "keyword 'format'" in str(error)
        return
    assert found["valid"] == found["keywords"]["format"] == found["keywords"]["required"] == "untested"


PATTERNS = ["^a+$", "^[A-Z]{2}-\\d{3}$", "^(red|blue)s?$", "[^x]y"]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("name", STOCK)
def test_patterns_are_probed(name: str, pattern: str, byte_level: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}, "required": ["a"],
              "additionalProperties": False}  # fmt: skip
    jsonschema.validate(valid(schema), schema)
    found = audit_schema(schema, open_engine(name, vocabulary(byte_level)), vocabulary(byte_level))
    if pattern.startswith("^"):
        assert found["valid"] == "accepted" and found["keywords"]["pattern"] == "kept", found
    else:  # engines differ in whether a pattern without anchors may stand inside a text
        assert found["keywords"]["pattern"] in ("kept", "untested"), found


UNION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "shape": {
            "anyOf": [
                {"type": "object", "properties": {"kind": {"const": "circle"}, "r": {"type": "integer"}},
                 "required": ["kind", "r"], "additionalProperties": False},
                {"type": "object", "properties": {"kind": {"const": "square"}, "side": {"enum": [1, 2]}},
                 "required": ["kind", "side"], "additionalProperties": False},
            ]
        },
        "note": {"type": ["string", "null"]},
        "grid": {"type": "array", "minItems": 2, "maxItems": 2,
                 "items": {"type": "array", "minItems": 3, "maxItems": 3, "items": {"enum": [0, 1]}}},
    },
    "required": ["shape", "note", "grid"],
    "additionalProperties": False,
}  # fmt: skip


@pytest.mark.parametrize("name", STOCK)
def test_unions_and_nested_lists_are_probed(name: str, byte_level: Any) -> None:
    words = vocabulary(byte_level)
    form = RegexForm(json_pattern(UNION, SeparatorPatterns.of(Spacing.EITHER)))
    found = audit_schema(UNION, open_engine(name, words), words, form)
    assert found["valid"] == "accepted"
    assert {fate for word, fate in found["keywords"].items() if word != UNIQUE} == {"kept"}, found
    assert {"anyOf", "minItems", "maxItems", "enum", "const", "type"} <= found["keywords"].keys()


def test_what_drops_an_option_or_an_inner_length_is_seen(byte_level: Any) -> None:
    words = vocabulary(byte_level)
    engine = open_engine("xgrammar", words)
    narrow = {**UNION, "properties": {**UNION["properties"], "note": {"type": "string"}}}
    form = RegexForm(json_pattern(narrow, SeparatorPatterns.of(Spacing.COMPACT)))
    assert audit_schema(UNION, engine, words, form)["keywords"]["type"] == "narrowed"
    grid = {**UNION["properties"]["grid"], "items": {"type": "array", "items": {"enum": [0, 1]}}}
    loose = {**UNION, "properties": {**UNION["properties"], "grid": grid}}
    form = RegexForm(json_pattern(loose, SeparatorPatterns.of(Spacing.COMPACT)))
    fates = audit_schema(UNION, engine, words, form)["keywords"]
    assert fates["minItems"] == fates["maxItems"] == "ignored"


@pytest.mark.parametrize("name", STOCK)
@pytest.mark.parametrize("spacing", list(Spacing))
def test_spacing_and_numbers_are_measured(name: str, spacing: Spacing, byte_level: Any, tiny_backend: Any) -> None:
    constraint = Constraint("schema", name, spacing)  # type: ignore[arg-type]
    found = audit(tiny_backend(byte_level), constraint, contract(("A1", "B2")))
    assert found["spacing"] == {"asked": spacing.value, "measured": spacing.value}
    assert (found["form"], found["numbers"], found["valid"]) == ("our expression", "bounded", "accepted")


@pytest.mark.parametrize("name", STOCK)
@pytest.mark.parametrize("spacing", [Spacing.EITHER, Spacing.COMPACT, Spacing.FREE])
def test_an_engines_own_mode_is_measured_too(name: str, spacing: Spacing, byte_level: Any, tiny_backend: Any) -> None:
    class Dated(Item):
        day: str = Field(pattern="^[0-9]{4}$")
        n: float

        @model_validator(mode="after")
        def late(self) -> Any:
            return self

    found = audit(tiny_backend(byte_level), Constraint("schema", name, spacing), Record(Dated))  # type: ignore[arg-type]
    # outlines has one whitespace for all places.
    wide = name == "outlines" and spacing is Spacing.EITHER
    assert found["spacing"]["measured"] == ("free" if wide else spacing.value)
    assert (found["form"], found["numbers"]) == ("the engine's JSON mode", "endless")
    assert found["keywords"][FURTHER] == "untested" and found["keywords"]["pattern"] == "kept"


def test_rules_of_the_tasks_code_are_named() -> None:
    class Plain(Item):
        a: int

    class Checked(Item):
        inner: list[Plain]
        low: int

        @field_validator("low")
        @classmethod
        def _low(cls, value: int) -> int:
            return value

    class Outer(Item):
        held: Checked | None

    assert not has_further_rules(Record(Plain)) and not has_further_rules(contract(("A1",)))
    assert has_further_rules(Record(Outer)) and has_further_rules(Calls({"f": Checked}))


def test_a_schema_that_does_not_compile_names_its_keyword(byte_level: Any) -> None:
    schema = {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True, "minItems": 1}
    with pytest.raises(UserError, match="keyword 'uniqueItems'"):
        audit_schema(schema, open_engine("llguidance", vocabulary(byte_level)), vocabulary(byte_level))


@pytest.mark.parametrize("name", ["own", "xgrammar", "llguidance"])
def test_rules_of_a_permutation(name: str, byte_level: Any) -> None:
    found = audit_rules(Constraint("permutation", name), contract(IDS), vocabulary(byte_level))  # type: ignore[arg-type]
    assert found["valid"] == "accepted"
    assert found["rules"] == dict.fromkeys(("all ids", "input ids", "bounded numbers", "each id once"), "kept")
    assert found["spacing"] == {"asked": "either", "measured": "either"}


def test_ignored_keywords_leave_a_schema_at_every_node() -> None:
    assert without(RICH, frozenset()) is RICH
    cut = without(RICH, frozenset({"minimum", "name"}))
    assert "minimum" not in json.dumps(cut) and "name" in cut["properties"]
