"""Records and calls: the other two contract shapes."""

import json

import pytest
from pydantic import Field
from pydantic_core import to_json

from listeval.contract import Calls, Extraction, Item, Kind, Parsed, Record


class Answer(Item):
    reasoning: str
    answer: float


class Triangle(Item):
    base: int
    height: int
    unit: str = "cm"


class Search(Item):
    query: str


ONE = Calls({"area": Triangle})
TWO = Calls({"area": Triangle, "web.search": Search})


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"reasoning": "1+1", "answer": 2}', Kind.OK),
        ('Well: {"reasoning": "", "answer": 2.5}', Kind.OK),
        ('{"answer": 2}', Kind.MISSING_KEY),
        ('{"reasoning": "", "answer": 2, "unit": "m"}', Kind.EXTRA_KEY),
        ('{"reasoning": "", "answer": 2, "answer": 3}', Kind.EXTRA_KEY),
        ('{"reasoning": "", "answer": "2"}', Kind.BAD_VALUE),
        ('[{"reasoning": "", "answer": "2"}', Kind.BAD_VALUE),
        ("[1, 2]", Kind.WRONG_TYPE),
        ('{"reasoning": "", "answer": 2', Kind.MALFORMED_JSON),
        ("two", Kind.NO_JSON),
    ],
)
def test_records(text, kind):
    result = Record(Answer).parse(text)
    assert (Kind.OK if isinstance(result, Parsed) else result.kind) is kind


def test_whole_extraction_refuses_prose():
    strict = Record(Answer, extraction=Extraction.WHOLE)
    assert isinstance(strict.parse(' {"reasoning": "", "answer": 2}\n'), Parsed)
    assert strict.parse('Well: {"reasoning": "", "answer": 2}').kind is not Kind.OK


@pytest.mark.parametrize("contract", [ONE, TWO])
@pytest.mark.parametrize(
    ("calls", "kind"),
    [
        ([{"name": "area", "arguments": {"base": 3, "height": 4}}], Kind.OK),
        ([], Kind.OK),
        ([{"name": "area", "arguments": {"base": 3}}], Kind.MISSING_KEY),
        ([{"arguments": {"base": 3, "height": 4}}], Kind.MISSING_KEY),
        ([{"name": "area", "arguments": {"base": 3, "height": 4, "depth": 5}}], Kind.EXTRA_KEY),
        ([{"name": "area", "arguments": {"base": "3", "height": 4}}], Kind.BAD_VALUE),
        ([{"name": "volume", "arguments": {"base": 3, "height": 4}}], Kind.BAD_VALUE),
        (["area(3, 4)"], Kind.WRONG_TYPE),
    ],
)
def test_calls(contract, calls, kind):
    result = contract.parse(json.dumps(calls))
    assert (Kind.OK if isinstance(result, Parsed) else result.kind) is kind


def test_calls_keep_their_order_and_defaults():
    text = json.dumps(
        [{"name": "web.search", "arguments": {"query": "x"}}, {"name": "area", "arguments": {"base": 1, "height": 2}}]
    )
    first, second = TWO.parse(text).value
    assert (first.name, second.name, second.arguments.unit) == ("web.search", "area", "cm")


def test_every_shape_has_a_schema_and_a_spec_that_is_json():
    for contract in (Record(Answer), ONE, TWO):
        assert json.loads(json.dumps(contract.json_schema()))
        assert contract.spec() == json.loads(json.dumps(contract.spec()))


def test_calls_need_functions():
    with pytest.raises(ValueError, match="function"):
        Calls({})


class Tree(Item):
    value: int
    children: list["Tree"] = []


class Plant(Item):
    root: Tree
    from_: str = Field("here", alias="_from")


class Prune(Item):
    root: Tree


def test_functions_may_share_a_model_that_holds_itself_and_use_aliases():
    contract = Calls({"plant": Plant, "prune": Prune})
    tree = {"value": 1, "children": [{"value": 2}]}
    text = json.dumps(
        [{"name": "plant", "arguments": {"root": tree, "_from": "x"}}, {"name": "prune", "arguments": {"root": tree}}]
    )
    plant, prune = contract.parse(text).value
    assert (plant.arguments.from_, prune.arguments.root.children[0].value) == ("x", 2)
    assert contract.parse(text.replace('"value": 2', '"value": "2"')).kind is Kind.BAD_VALUE
    assert set(contract.json_schema()["$defs"]) == {"Plant", "Prune", "Tree"}


def test_calls_are_written_to_a_row_with_all_their_arguments():
    parsed = TWO.parse('[{"name": "area", "arguments": {"base": 1, "height": 2}}]')
    written = json.loads(to_json(parsed.value))
    assert written == [{"name": "area", "arguments": {"base": 1, "height": 2, "unit": "cm"}}]
