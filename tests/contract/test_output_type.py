"""A contract as a type of one's own program: its schema and its rules, in pydantic, Outlines and instructor."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from listeval.contract import Id, Item, KeyedList, Parsed, Record
from listeval.contract.model_schema import ModelSchema
from listeval.contract.schema import Schema


class Rating(Item):
    review_id: Id
    score: int


class Ticket(BaseModel):
    team: str
    urgent: bool


IDS = ["a", "b", "c"]
LIST = KeyedList(Rating, ids=IDS, key="review_id")
SCHEMA = Schema({"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"x": {"type": "integer"}}}}})


def ratings(*names: str) -> list[dict[str, Any]]:
    return [{"review_id": name, "score": 3} for name in names]


def test_the_schema_is_the_contracts() -> None:
    for contract in (LIST, SCHEMA):
        assert contract.output_type().model_json_schema() == contract.json_schema()
    assert TypeAdapter(LIST.output_type()).json_schema() == LIST.json_schema()
    assert TypeAdapter(SCHEMA.output_type()).json_schema() == SCHEMA.json_schema()["$defs"]["n"]
    assert Record(Rating).output_type() is Rating
    assert ModelSchema(Ticket).output_type() is Ticket


def test_a_schema_that_refers_to_itself_is_given_as_it_is() -> None:
    tree = Schema({"$ref": "#/$defs/t", "$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}}}})
    assert tree.output_type().model_json_schema() == tree.json_schema()
    with pytest.raises(ValueError, match="refers to itself"):
        TypeAdapter(tree.output_type()).json_schema()


def test_a_right_answer_is_the_contracts_value() -> None:
    text = json.dumps(ratings("b", "a", "c"))
    assert LIST.output_type().model_validate_json(text).root == LIST.parse(text).value
    assert LIST.output_type()(ratings(*IDS)).root == LIST.parse(json.dumps(ratings(*IDS))).value


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(ratings("a", "a", "b"), "duplicate_id"), (ratings("a", "b"), "missing_id"), ({}, "wrong_type")],
)
def test_a_broken_one_is_a_validation_error_that_names_its_kind(answer: Any, kind: str) -> None:
    with pytest.raises(ValidationError, match=kind):
        LIST.output_type().model_validate_json(json.dumps(answer))


@given(st.lists(st.sampled_from([*IDS, "d"]), max_size=5))
def test_the_type_takes_what_the_contract_parses(names: list[str]) -> None:
    text = json.dumps(ratings(*names))
    try:
        LIST.output_type().model_validate_json(text)
        taken = True
    except ValidationError:
        taken = False
    assert taken == isinstance(LIST.parse(text), Parsed)


def test_outlines_takes_it() -> None:
    pytest.importorskip("outlines", reason="needs the package outlines")
    from outlines.types.dsl import JsonSchema, python_types_to_terms

    for contract in (LIST, Record(Rating), ModelSchema(Ticket)):
        term = python_types_to_terms(contract.output_type())
        assert isinstance(term, JsonSchema)
        schema = json.loads(term.schema)
        assert schema == contract.output_type().model_json_schema()


def test_a_program_of_outlines_answers_in_the_contract() -> None:
    outlines = pytest.importorskip("outlines", reason="needs the package outlines")
    transformers = pytest.importorskip("transformers")
    from listeval.models.resolve import resolve

    path = str(resolve("tiny-sft").path)
    network = transformers.AutoModelForCausalLM.from_pretrained(path, dtype="float32")
    model = outlines.from_transformers(network, transformers.AutoTokenizer.from_pretrained(path))
    short = Record(Rating)
    text = model("Rate the review a.", short.output_type(), max_new_tokens=60)
    assert short.output_type().model_validate_json(text)


@pytest.mark.parametrize(
    ("contract", "answer"),
    [
        (LIST, ratings("c", "a", "b")),
        (Record(Rating), ratings("a")[0]),
        (ModelSchema(Ticket), {"team": "x", "urgent": True}),
    ],
)
def test_instructor_takes_it(contract: Any, answer: Any) -> None:
    instructor = pytest.importorskip("instructor", reason="needs the package instructor")
    from openai.types.chat import ChatCompletion

    asked: list[dict[str, Any]] = []

    def create(**request: Any) -> Any:
        asked.append(request)
        message = {"role": "assistant", "content": json.dumps(answer)}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return ChatCompletion(id="1", created=0, model="m", object="chat.completion", choices=[choice])

    client = instructor.patch(create=create, mode=instructor.Mode.JSON)
    found = client(response_model=contract.output_type(), messages=[{"role": "user", "content": "x"}], max_retries=0)
    read = contract.output_type().model_validate(found.model_dump(mode="json"))
    assert read.model_dump(mode="json") == found.model_dump(mode="json") == answer
    assert asked
