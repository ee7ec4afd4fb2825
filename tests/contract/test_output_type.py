"""A contract as a type of one's own program: its schema and its rules, in pydantic, Outlines and instructor."""

from __future__ import annotations

import json
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    Field,
    PrivateAttr,
    RootModel,
    TypeAdapter,
    ValidationError,
    computed_field,
    create_model,
    field_serializer,
    field_validator,
)

from listeval.contract import Id, Item, KeyedList, Parsed, Record
from listeval.contract.model_schema import ModelSchema
from listeval.contract.schema import Schema


class Rating(Item):
    review_id: Id
    score: int


class Ticket(BaseModel):
    team: str
    urgent: bool


class Colour(Enum):
    RED = "red"
    NAVY = "navy"


class Part(BaseModel):
    size: int
    colour: Colour | None = None


class Order(BaseModel):
    """An order, read as pydantic would: lax, and not closed."""

    parts: list[Part]
    paid: Literal[1, 2] = 1
    on: date | None = Field(None, alias="when")
    words: list[str] = []
    _seen: int = PrivateAttr(0)

    @field_validator("words", mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:
        return given.split(",")  # a second time it would raise

    def model_post_init(self, context: Any) -> None:
        self._seen += 1


class Tags(RootModel[list[Colour]]):
    pass


class Tree(BaseModel):
    size: int
    kids: list[Tree] = []


class Dated(Item):
    on: date
    colour: Colour


IDS = ["a", "b", "c"]
LIST = KeyedList(Rating, ids=IDS, key="review_id")
SCHEMA = Schema({"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"x": {"type": "integer"}}}}})


OF_MODELS = [Record(Rating), Record(Dated), *map(ModelSchema, (Ticket, Order, Tags, Tree))]


def ratings(*names: str) -> list[dict[str, Any]]:
    return [{"review_id": name, "score": 3} for name in names]


def test_the_schema_is_the_contracts() -> None:
    for contract in (LIST, SCHEMA, *OF_MODELS):
        assert contract.output_type().model_json_schema() == contract.json_schema()
    assert TypeAdapter(LIST.output_type()).json_schema() == LIST.json_schema()
    assert TypeAdapter(SCHEMA.output_type()).json_schema() == SCHEMA.json_schema()["$defs"]["n"]
    assert issubclass(Record(Rating).output_type(), Rating)
    assert issubclass(ModelSchema(Ticket).output_type(), Ticket)


def test_a_schema_that_refers_to_itself_is_given_as_it_is() -> None:
    tree = Schema({"$ref": "#/$defs/t", "$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}}}})
    assert tree.output_type().model_json_schema() == tree.json_schema()
    answer = {"$ref": "#/$defs/Answer"}
    held = {"$defs": {"Answer": {"type": "array", "items": answer}}}
    assert TypeAdapter(tree.output_type()).json_schema() == {**held, **answer}
    assert TypeAdapter(dict[str, tree.output_type()]).json_schema() == {  # type: ignore[misc]
        **held, "type": "object", "additionalProperties": answer
    }  # fmt: skip


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


LEAVES = st.sampled_from([1, 2, 3.0, "1", True, None, "red", "2020-01-02", "a,b", "é", 1e400, 2**70])
KEYS = st.sampled_from(["parts", "paid", "when", "on", "words", "size", "colour", "kids", "team", "urgent", "more",
                        "review_id", "score"])  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
RIGHT = [
    {"parts": [{"size": 1, "colour": "red"}, {"size": 2}], "paid": 2, "when": "2020-01-02", "words": "a,b"},
    {"parts": [], "words": ""},
    {"parts": [{"size": "1"}]},
    {"parts": [{"size": 1, "more": 1}]},
    {"parts": [], "paid": True},
    {"on": "2020-01-02", "colour": "navy"},
    ["red", "navy"],
    {"size": 1, "kids": [{"size": 2, "kids": []}]},
    {"team": "a", "urgent": True},
    {"review_id": "a", "score": 3},
]
ANSWERS = VALUES | st.sampled_from(RIGHT) | st.sampled_from(RIGHT).map(lambda one: [one])


@settings(max_examples=300)
@given(st.sampled_from([*OF_MODELS, LIST, SCHEMA]), ANSWERS, st.sampled_from(["json", "python", "adapter"]))
def test_a_type_takes_the_json_that_its_contract_parses_and_no_other(contract: Any, answer: Any, way: str) -> None:
    """Whatever a model of the user's says of other types and further keys, at any depth; and as the same value."""
    kind, text = TYPES[contract], json.dumps(answer)
    parsed = contract.parse(text)
    try:
        if way == "json":
            taken = kind.model_validate_json(text)
        elif way == "python":
            taken = kind.model_validate(json.loads(text))
        else:
            taken = TypeAdapter(list[kind]).validate_json(f"[{text}]")[0]
    except ValidationError as error:
        assert not isinstance(parsed, Parsed) and parsed.kind.value in str(error)
        return
    assert isinstance(parsed, Parsed) and type(taken) is kind
    if isinstance(contract, ModelSchema):
        assert isinstance(taken, contract.model)
    elif isinstance(contract, Record):
        assert vars(taken) == vars(parsed.value)
    else:
        assert vars(taken)["root"] == parsed.value


TYPES = {contract: contract.output_type() for contract in (*OF_MODELS, LIST, SCHEMA)}


def test_a_value_of_a_users_model_is_made_once_and_has_all_that_a_model_has() -> None:
    kind: Any = ModelSchema(Order).output_type()
    read = kind.model_validate_json(json.dumps(RIGHT[0]))
    assert (read.parts[0].colour, read.on, read.words, read.paid) == (Colour.RED, date(2020, 1, 2), ["a", "b"], 2)
    assert read._seen == 1 and "paid" in read.model_fields_set
    built = kind(**RIGHT[0])
    assert built == read and built._seen == 1 and kind.model_validate(read) is read
    assert built.model_dump(mode="json", by_alias=True)["when"] == "2020-01-02"
    assert (kind.__name__, kind.__doc__) == ("Order", Order.__doc__)
    assert ModelSchema(Tags).output_type()(["red"]).model_dump(mode="json") == ["red"]  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="unknown key 'more'"):
        kind(**RIGHT[0], more=1)


class Line(BaseModel):
    """Nothing of what it writes can be read again."""

    kind: Literal["line"] = "line"
    price: int = Field(validation_alias="cost", serialization_alias="price")
    secret: int = Field(0, exclude=True)
    within: list[Line] = []

    @computed_field  # type: ignore[prop-decorator]
    @property
    def doubled(self) -> int:
        return 2 * self.price

    @field_serializer("price")
    def _shown(self, price: int) -> str:
        return f"{price} EUR"


class Longer(Line):
    more: int = 1


class Words(RootModel[list[str]]):
    @field_serializer("root")
    def _joined(self, root: list[str]) -> str:
        return ",".join(root)


TAKEN = [Line(cost=2, secret=3, within=[Line(cost=1)]), Longer(cost=2), Words(["a", "b"]), Part(size=1)]
OF_TAKEN: dict[type[BaseModel], Any] = {model: ModelSchema(model).output_type() for model in (Line, Words, Part)}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("given", TAKEN)
def test_an_instance_of_the_users_model_is_taken_and_written_as_pydantic_does(given: BaseModel) -> None:
    model = next(each for each in OF_TAKEN if isinstance(given, each))
    kind = OF_TAKEN[model]
    assert kind.model_validate(given) is given
    for form in (lambda one: list[one], lambda one: list[one | int | None], lambda one: dict[str, one] | list[one]):
        held, own = TypeAdapter(form(kind)), TypeAdapter(form(model))
        taken = held.validate_python([given])
        assert taken[0] is given and held.dump_json(taken) == own.dump_json([given])

    holder, other = (
        create_model("Holder", held=(one, ...), all=(tuple[one, ...], ()))(held=given, all=(given,))  # type: ignore[valid-type]
        for one in (kind, model)
    )
    assert holder.held is given is holder.all[0]  # type: ignore[attr-defined]
    assert holder.model_dump(by_alias=True) == other.model_dump(by_alias=True)


def test_a_union_takes_the_instance_by_its_model() -> None:
    line, part = OF_TAKEN[Line], OF_TAKEN[Part]
    for form in (line | part, Annotated[line | part, Field(union_mode="left_to_right")]):
        for instance in TAKEN:
            if not isinstance(instance, Words):
                assert TypeAdapter(form).validate_python(instance) is instance
        assert type(TypeAdapter(form).validate_python({"size": 1})) is part
        assert type(TypeAdapter(form).validate_python({"cost": 1})) is line


def test_what_stands_within_an_instance_is_no_data_and_data_beside_it_is_judged() -> None:
    kind = OF_TAKEN[Line]
    lax = Line.model_validate({"cost": "2", "more": 1})  # pydantic's own laxness, before the type sees it
    assert TypeAdapter(list[kind]).validate_python([lax]) == [lax]
    with pytest.raises(ValidationError, match="bad_value"):
        TypeAdapter(list[kind]).validate_python([lax, {"cost": "2"}])
    with pytest.raises(ValidationError, match="unknown key 'more'"):
        kind.model_validate_json('{"cost": 2, "more": 1}')


def test_a_type_that_is_no_users_model_takes_only_its_own_instances() -> None:
    kind = LIST.output_type()
    right = kind.model_validate(ratings(*IDS))
    assert kind.model_validate(right) is right
    with pytest.raises(ValidationError, match="missing_id"):
        kind.model_validate(RootModel[Any](ratings("a")))


class Sized(BaseModel):
    size: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def area(self) -> int:
        return self.size**2


class Box(BaseModel):
    parts: list[Sized]


def test_data_may_hold_instances_with_computed_fields() -> None:
    box: Any = ModelSchema(Box).output_type()
    assert box(parts=[Sized(size=3)]).parts[0].area == 9


def test_what_is_made_of_an_instance_holds_its_own_values() -> None:
    words = Words(["a"])
    made = OF_TAKEN[Words](words)
    made.root = ["b"]
    assert words.root == ["a"]


def test_a_key_that_stands_twice_is_seen_by_parse_alone() -> None:
    text = '{"review_id": "a", "score": 3, "score": 4}'
    assert not isinstance(Record(Rating).parse(text), Parsed)
    assert Record(Rating).output_type().model_validate_json(text).score == 4


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
