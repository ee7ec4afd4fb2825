"""The task that a judge is run on: one text, one rubric, one JSON object of whole grades.

It is made from a rubric and the texts at hand, so it is no plug-in: nothing finds it by name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, ClassVar

from pydantic import Field, create_model

from listeval.chat import Message
from listeval.contract import Contract, Item, Record
from listeval.labelling.rubric import GRADE, Rubric
from listeval.task import Dataset, Example, Metric, Piece, Pieces, Target, Task, TaskOptions


class GradingOptions(TaskOptions):
    """What a run's manifest says of the rubric."""

    rubric: str
    rubric_version: int


class Grading(Task):
    """Each piece of `texts` is an example, named by its content: no order and no file changes its row's key."""

    name: ClassVar[str] = "label"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "grade texts by a rubric"
    metrics: ClassVar[tuple[Metric, ...]] = (Metric(GRADE),)
    Options = GradingOptions

    def __init__(self, rubric: Rubric, texts: Pieces) -> None:
        super().__init__(GradingOptions(rubric=rubric.name, rubric_version=rubric.version))
        self.rubric, self.texts = rubric, texts

    @property
    def code(self) -> str:
        """The rubric in full: an edited one makes other rows."""
        return self.rubric.digest

    def load(self, data: str | None, seed: int) -> Dataset:
        """The texts that the task was made with; `data` and `seed` change nothing."""
        examples = [self._example(piece) for piece in self.texts.pieces]
        # Rows are keyed by content, so the same run takes texts of any data, and none is asked for twice.
        return Dataset(examples, self.texts.source, "by content", {"texts": len(examples)})

    def _example(self, piece: Piece) -> Example:
        prompt = self.rubric.render(piece.text, piece.context)
        target = {"product": piece.product, "id": piece.id}
        return Example(piece.key, (Message("user", prompt),), target, piece.product)

    def contract(self, target: Target) -> Contract[Any]:
        return Record(answer_model(self.rubric))

    def gold(self, target: Target) -> str:
        return json.dumps(dict.fromkeys(answer_model(self.rubric).model_fields, self.rubric.scale.high))

    def score(self, targets: Sequence[Target], values: Sequence[Any]) -> list[dict[str, float]]:
        return [{GRADE: float(getattr(value, GRADE))} for value in values]


@lru_cache(maxsize=8)
def _model(names: tuple[str, ...], low: int, high: int) -> type[Item]:
    grade = Annotated[int, Field(ge=low, le=high)]
    fields: dict[str, Any] = dict.fromkeys(names, (grade, ...))
    return create_model("Grades", __base__=Item, **fields)


def answer_model(rubric: Rubric) -> type[Item]:
    """What a judge answers: a whole grade for each criterion in order, then the overall one, all within the scale."""
    names = (*(criterion.name for criterion in rubric.criteria), GRADE)
    return _model(names, rubric.scale.low, rubric.scale.high)
