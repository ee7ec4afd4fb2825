"""Which constraint the flags stand for on which backend, and how it is bound to a contract."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import Field

from listeval.contract import Calls, Item, Record
from listeval.contract.separators import Separators
from listeval.decoding import constraint as module
from listeval.decoding.bind import bind
from listeval.decoding.constraint import Constraint, GrammarForm, JsonForm, RegexForm, json_form, require, resolve
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.spacing import Spacing
from listeval.errors import UserError
from tests.decoding.conftest import contract


class Answer(Item):
    why: str
    answer: int = 3


PAIR = contract(["A1", "A2"])


@pytest.mark.parametrize(
    ("kind", "backend", "engine"),
    [
        ("schema", "hf", "xgrammar"),
        ("schema", "vllm", "xgrammar"),
        ("schema", "openai", "server"),
        ("permutation", "hf", "own"),
        ("permutation", "vllm", "own"),
        ("scaffold", "hf", "own"),
        ("scaffold", "vllm", "xgrammar"),
    ],
)
def test_auto_stands_for_the_first_engine(kind, backend, engine, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    found = resolve(kind, "auto", backend)
    assert found is not None
    assert found == resolve(kind, None, backend) == resolve(kind, engine if engine != "server" else None, backend)
    assert found.engine == engine
    assert found.spacing is Spacing.EITHER
    assert resolve(kind, engine, backend, Spacing.GOLD).spacing is Spacing.GOLD


def test_auto_takes_what_is_installed(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: object() if name == "outlines_core" else None)
    assert resolve("schema", None, "hf").engine == "outlines"


def test_none_is_none():
    assert resolve("none", None, "null") is None is resolve("none", "auto", "hf")


@pytest.mark.parametrize(
    ("kind", "engine", "backend", "said"),
    [
        ("none", "xgrammar", "hf", "without a constraint"),
        ("schema", None, "null", "decodes nothing"),
        ("permutation", None, "replay", "decodes nothing"),
        ("schema", "own", "hf", "engine own has no schema"),
        ("permutation", "outlines", "hf", "--engine own or xgrammar or llguidance"),
        ("schema", "xgrammar", "openai", "chooses its own engine"),
        ("schema", "xgramar", "hf", "did you mean 'xgrammar'"),
    ],
)
def test_what_cannot_be_is_refused(kind, engine, backend, said):
    with pytest.raises(UserError, match=re.escape(said)):
        resolve(kind, engine, backend)


def test_a_missing_package_names_its_install_line(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=re.escape("pip install 'listeval[constrain]'")):
        require("outlines")
    require("own")


def test_a_keyed_list_has_every_form():
    assert isinstance(bind(Constraint("schema", "xgrammar"), PAIR), RegexForm)
    assert isinstance(bind(Constraint("permutation", "own"), PAIR), PermutationSpec)
    ebnf, lark = bind(Constraint("permutation", "xgrammar"), PAIR), bind(Constraint("permutation", "llguidance"), PAIR)
    assert isinstance(ebnf, GrammarForm) and "root ::=" in ebnf.text
    assert isinstance(lark, GrammarForm) and "start:" in lark.text
    scaffold = bind(Constraint("scaffold", "xgrammar"), PAIR)
    assert isinstance(scaffold, RegexForm)
    assert re.fullmatch(scaffold.pattern, '[{"review_id": "A1", "score": 7}, {"review_id": "A2", "score": 0.5}]')
    assert not re.fullmatch(scaffold.pattern, '[{"review_id": "A2", "score": 7}, {"review_id": "A1", "score": 0.5}]')


def test_strict_k_and_ids_as_an_enum():
    schema = json_form(PAIR).schema
    assert (schema["minItems"], schema["maxItems"]) == (2, 2)
    assert schema["items"] == {
        "type": "object",
        "properties": {"review_id": {"type": "string", "enum": ["A1", "A2"]}, "score": {"type": "number"}},
        "required": ["review_id", "score"],
        "additionalProperties": False,
    }


def test_annotations_go_and_names_stay():
    class Titled(Item):
        title: str
        default: int

    assert list(json_form(Record(Titled)).schema["properties"]) == ["title", "default"]


@pytest.mark.parametrize("other", [Record(Answer), Calls({"f": Answer})])
@pytest.mark.parametrize("kind", ["permutation", "scaffold"])
def test_a_contract_without_ids_says_which_constraints_fit(kind, other):
    with pytest.raises(UserError, match="use --constraint schema or none"):
        bind(Constraint(kind, "own"), other)


def test_a_value_that_is_no_number_is_refused():
    class Said(Item):
        id: str
        why: str

    with pytest.raises(UserError, match="'why' is no plain number"):
        bind(Constraint("permutation", "own"), contract(["A1"]).__class__(Said, key="id", ids=["A1"]))


def test_too_many_ids_for_a_grammar():
    with pytest.raises(UserError, match="--engine own"):
        bind(Constraint("permutation", "xgrammar"), contract([f"A{i}" for i in range(11)]))


def test_a_spacing_without_a_constraint_is_refused():
    with pytest.raises(UserError, match="--spacing gold without a constraint"):
        resolve("none", None, "hf", Spacing.GOLD)


class Dated(Item):
    day: str = Field(pattern="^[0-9]{4}$")


def test_what_no_expression_says_stays_with_the_engine_and_is_spaced_there():
    form = bind(Constraint("schema", "xgrammar", Spacing.GOLD), Record(Dated))
    assert isinstance(form, JsonForm) and form.spacing is Spacing.GOLD
    with pytest.raises(UserError, match="outlines cannot space"):
        bind(Constraint("schema", "outlines", Spacing.GOLD), Record(Dated))


def test_outlines_is_not_given_hours_of_work():
    class Open(Item):
        anything: Any

    with pytest.raises(UserError, match="outlines cannot take a value of any type"):
        bind(Constraint("schema", "outlines"), Record(Open))
    assert isinstance(bind(Constraint("schema", "llguidance"), Record(Open)), JsonForm)


def test_gold_spacing_is_the_contracts_own():
    pair = contract(["A1", "A2"])
    pair.separators = Separators(", ", ":")
    form = bind(Constraint("schema", "xgrammar", Spacing.GOLD), pair)
    assert re.fullmatch(form.pattern, '[{"review_id":"A1", "score":7}, {"review_id":"A1", "score":0.5}]')
    assert not re.fullmatch(form.pattern, '[{"review_id": "A1", "score": 7}, {"review_id": "A1", "score": 0.5}]')
    pair.separators = None
    with pytest.raises(UserError, match="not spaced in one way"):
        bind(Constraint("schema", "xgrammar", Spacing.GOLD), pair)
