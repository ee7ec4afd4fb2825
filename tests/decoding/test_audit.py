"""What the engines keep, ignore and refuse, measured on schemas with every keyword that contracts use."""

from __future__ import annotations

import json
from typing import Any

import pytest

jsonschema = pytest.importorskip("jsonschema")
pytest.importorskip("torch")
for _package in ("xgrammar", "outlines_core", "llguidance"):
    pytest.importorskip(_package)

from listeval.decoding.audit import UNIQUE, audit_schema  # noqa: E402
from listeval.decoding.audit_rules import audit_rules  # noqa: E402
from listeval.decoding.constraint import Constraint, json_form  # noqa: E402
from listeval.decoding.engines import open_engine  # noqa: E402
from listeval.decoding.probes import Unfillable, valid, violations, with_unique_items  # noqa: E402
from listeval.decoding.promise import without  # noqa: E402
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


def test_a_pattern_gives_no_probes() -> None:
    with pytest.raises(Unfillable):
        valid({"type": "string", "pattern": "^a+$"})


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
    monkeypatch.setattr("listeval.decoding.audit.walk", lambda *_: False)
    monkeypatch.setattr("listeval.decoding.audit_rules.walk", lambda *_: False)
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
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^a+$"}}, "required": ["a"]}
    found = audit_schema(schema, open_engine(name, vocabulary(byte_level)), vocabulary(byte_level))
    assert found["valid"] == found["keywords"]["pattern"] == found["keywords"]["required"] == "untested"


def test_a_schema_that_does_not_compile_names_its_keyword(byte_level: Any) -> None:
    schema = {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True, "minItems": 1}
    with pytest.raises(UserError, match="keyword 'uniqueItems'"):
        audit_schema(schema, open_engine("llguidance", vocabulary(byte_level)), vocabulary(byte_level))


@pytest.mark.parametrize("name", ["own", "xgrammar", "llguidance"])
def test_rules_of_a_permutation(name: str, byte_level: Any) -> None:
    found = audit_rules(Constraint("permutation", name), contract(IDS), vocabulary(byte_level))  # type: ignore[arg-type]
    assert found["valid"] == "accepted"
    assert found["rules"] == dict.fromkeys(("all ids", "input ids", "compact", "each id once"), "kept")


def test_ignored_keywords_leave_a_schema_at_every_node() -> None:
    assert without(RICH, frozenset()) is RICH
    cut = without(RICH, frozenset({"minimum", "name"}))
    assert "minimum" not in json.dumps(cut) and "name" in cut["properties"]
