"""A contract's schema as a part of another that pydantic writes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from listeval.contract import Record
from listeval.contract.model_schema import ModelSchema
from listeval.contract.schema import Schema


class Shut(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Part(Shut):
    size: int


class Leaf(Shut):
    kind: Literal["leaf"] = "leaf"
    part: Part


class Branch(Shut):
    """Holds itself."""

    kind: Literal["branch"] = "branch"
    part: Part
    kids: list[Branch] = []


class Fork(Shut):
    """Holds itself by way of another."""

    kind: Literal["fork"] = "fork"
    tines: list[Tine]


class Tine(Shut):
    fork: Fork | None = None
    leaf: Leaf


MODELS = (Leaf, Branch, Fork)
TYPES: list[dict[Any, Any]] = [
    {model: ModelSchema(model).output_type() for model in MODELS},
    {model: Record(model).output_type() for model in MODELS},
]
FORMS = st.recursive(
    st.sampled_from(MODELS).map(lambda model: lambda types: types[model]),
    lambda inner: st.one_of(
        inner.map(lambda part: lambda types: list[part(types)]),  # type: ignore[misc]
        inner.map(lambda part: lambda types: dict[str, part(types)]),  # type: ignore[misc]
        st.tuples(inner, inner).map(lambda two: lambda types: tuple[two[0](types), two[1](types)]),  # type: ignore[misc]
        st.tuples(inner, inner).map(lambda two: lambda types: two[0](types) | two[1](types) | None),
        inner.map(lambda part: lambda types: create_model("Holder", held=(part(types), Field(description="said")))),
        st.just(lambda types: Annotated[types[Leaf] | types[Branch] | types[Fork], Field(discriminator="kind")]),
    ),
    max_leaves=4,
)


@settings(max_examples=100)
@given(st.sampled_from(TYPES), FORMS)
def test_of_a_closed_model_it_is_what_pydantic_writes_of_the_model_itself(types: dict[Any, Any], form: Any) -> None:
    own = {model: model for model in MODELS}
    assert TypeAdapter(form(types)).json_schema() == TypeAdapter(form(own)).json_schema()


class Open(BaseModel):
    kids: list[Open] = []


def test_a_type_and_its_model_are_two_definitions() -> None:
    both = TypeAdapter(tuple[ModelSchema(Open).output_type(), Open]).json_schema()  # type: ignore[misc]
    shut, free = ({"kids": [{"kids": []}]}, {"kids": [{"more": 1}]})
    jsonschema.validate([shut, free], both)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate([free, shut], both)


REFERRING = {
    "type": "object",
    "properties": {
        "again": {"$ref": "#"},
        "like": {"$ref": "#/properties/word"},
        "word": {"$ref": "#/definitions/a.word", "minLength": 2},
        "any": {"$ref": "#/$defs/any"},
        "called": {"$ref": "#called"},
    },
    "definitions": {"a.word": {"type": "string"}},
    "$defs": {"any": True, "called": {"$anchor": "called", "const": "word"}},
    "additionalProperties": False,
}
WORDS = st.sampled_from(["w", "word", 1])
OBJECTS = st.recursive(
    st.dictionaries(st.sampled_from(["like", "word", "any", "called", "more"]), WORDS, max_size=2),
    lambda inner: inner.map(lambda one: {"again": one}),
)
NESTED = TypeAdapter(list[Schema(REFERRING).output_type()]).json_schema()  # type: ignore[misc]


@given(OBJECTS)
def test_references_of_every_form_hold_within_another_schema(answer: Any) -> None:
    alone, nested = (jsonschema.Draft202012Validator(schema) for schema in (REFERRING, NESTED))
    assert nested.is_valid([answer]) == alone.is_valid(answer)


def test_a_reference_to_nothing_is_said() -> None:
    for reference in ("#/$defs/none", "https://json-schema.org/draft/2020-12/schema"):
        kind = Schema({"type": "array", "items": {"$ref": reference}}).output_type()
        with pytest.raises(ValueError, match="the schema has nothing at"):
            TypeAdapter(list[kind]).json_schema()  # type: ignore[valid-type]


def test_an_empty_schema_is_one() -> None:
    assert TypeAdapter(Schema({}).output_type()).json_schema() == {}
