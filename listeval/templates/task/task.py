"""The task `my_task`: which topic a message to a shop is about, answered as {"topic": ..., "confidence": ...}."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from listeval import (
    Contract,
    Dataset,
    Example,
    Item,
    Kind,
    Message,
    Metric,
    Record,
    Score,
    Task,
    UserError,
    local_file,
    prompt_template,
    rows,
    text_field,
)

TOPICS = ("delivery", "payment", "product")


class Answer(Item):
    """The contract: these keys, these types, nothing else."""

    topic: Literal["delivery", "payment", "product"]
    confidence: Score


class Label(TypedDict):
    """The target: what is stored with each answer, so that it can be scored again without the data."""

    topic: str


class MyTask(Task[Label, Answer]):
    """One message, one topic."""

    name = "my_task"
    version = 1
    summary = "sort a message to a shop by topic"
    metrics = (Metric("accuracy", useful=True, bounds=(0.0, 1.0)),)
    seeded = False

    @property
    def max_tokens(self) -> int:
        """Tokens of one answer: ample for a good one, short for a loop."""
        return 64

    def load(self, data: str | None, seed: int) -> Dataset:
        """JSON lines `{"id", "message", "topic"}`; without `data` the sample beside this file."""
        file = local_file(Path(data) if data is not None else Path(__file__).with_name("sample.jsonl"), (".jsonl",))
        examples = [_example(row, place) for place, row in rows(file)]
        return Dataset(examples, file.name, file.fingerprint, {"messages": len(examples)})

    def contract(self, target: Label) -> Contract[Answer]:
        """What an answer must be; for a list with one object an id, bind a `KeyedList` to the example's ids."""
        return Record(Answer)

    def gold(self, target: Label) -> str:
        """An answer that parses and scores best."""
        return f'{{"topic": "{target["topic"]}", "confidence": 1}}'

    def score(self, targets: Sequence[Label], values: Sequence[Answer]) -> list[dict[str, float]]:
        """Parsed answers only: a broken contract is counted before this is called."""
        return [
            {"accuracy": float(answer.topic == target["topic"])} for target, answer in zip(targets, values, strict=True)
        ]

    def bad(self, target: Label) -> Mapping[Kind, str]:
        """Broken answers by the kind that each must land in; `listeval tasks check` tries them all."""
        return {
            Kind.BAD_VALUE: '{"topic": "weather", "confidence": 1}',
            Kind.MISSING_KEY: f'{{"topic": "{target["topic"]}"}}',
            Kind.EXTRA_KEY: f'{{"topic": "{target["topic"]}", "confidence": 1, "why": "because"}}',
            Kind.MALFORMED_JSON: f'{{"topic": {target["topic"]}, "confidence": 1}}',
            Kind.NO_JSON: f"It is about {target['topic']}.",
        }


def _example(row: Mapping[str, Any], place: str) -> Example:
    if row.get("topic") not in TOPICS:
        cause = f"topic {row.get('topic')!r} is none of {', '.join(TOPICS)}"
        raise UserError(cause, place=place, fix="correct the row")
    id, message = (text_field(row, name, place, "a row has 'id', 'message' and 'topic'") for name in ("id", "message"))
    ask = prompt_template(Path(__file__).with_name("prompt.jinja"))
    return Example(id, (Message("user", ask(message=message, topics=TOPICS)),), {"topic": row["topic"]})
