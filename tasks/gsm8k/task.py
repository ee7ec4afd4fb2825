"""The task `gsm8k`: grade-school word problems (Cobbe et al., arXiv 2110.14168), answered as one JSON object."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypedDict, get_args

from pydantic import Field

from listeval import (
    Contract,
    Dataset,
    ExactNumber,
    ExactRecord,
    Example,
    Item,
    JsonRow,
    Kind,
    Message,
    Metric,
    Source,
    Task,
    TaskOptions,
    UserError,
    Verdict,
    bad_records,
    find_source,
    fingerprint,
    format_number,
    own_split,
    parse_number,
    prompt_template,
    text_field,
    with_shots,
)

_HERE = Path(__file__).parent

Split = Literal["train", "test"]


class Answer(Item):
    """A solved problem; `answer` is the number as it was written."""

    reasoning: str
    answer: ExactNumber


class Solved(TypedDict):
    """What scoring needs: the exact number as text, and the worked text without calculator notes."""

    answer: str
    solution: str


class Gsm8kOptions(TaskOptions):
    """Options of the task."""

    split: Split = Field("test", description="part of the problems")
    shots: int = Field(0, ge=0, description="worked examples before the question, from the training part")


class Gsm8k(Task[Solved, Answer]):
    """Word problems whose answer is one number, compared exactly."""

    name = "gsm8k"
    version = 1
    summary = "solve a word problem: reasoning and one number"
    metrics = (Metric("accuracy", useful=True, bounds=(0.0, 1.0), at=(1, 5, 10)),)
    verdicts = ("correct", "wrong")
    seeded = False
    Options = Gsm8kOptions
    options: Gsm8kOptions

    def load(self, data: str | None, seed: int) -> Dataset:
        split, shots = self.options.split, self.options.shots
        asked = _source(data, split)
        found, total = _problems(asked, split, split)
        if not found:
            fix = "choose another --set split, or other data"
            raise UserError(f"no problem of the split '{split}'", place=asked.place, fix=fix)
        training, pool = _training(data, asked, split) if shots else (asked._replace(files=[]), [])
        examples = with_shots(found, pool, shots, self.gold, "the training part", "problem")
        source = asked.place if data is not None else f"{self.name} sample"
        counts = {"rows": total, "other_splits": total - len(found), "kept": len(found)}
        return Dataset(examples, source, fingerprint([*asked.files, *training.files]), counts, asked.name)

    def contract(self, target: Solved) -> Contract[Answer]:
        return ExactRecord(Answer)

    def gold(self, target: Solved) -> str:
        """A JSON number, digit for digit; a fraction has none and is a string."""
        number = f'"{target["answer"]}"' if "/" in target["answer"] else target["answer"]
        return f'{{"reasoning": {json.dumps(target["solution"], ensure_ascii=False)}, "answer": {number}}}'

    def score(self, targets: Sequence[Solved], values: Sequence[Answer]) -> list[Verdict]:
        return [_verdict(target["answer"], value.answer) for target, value in zip(targets, values, strict=True)]

    def bad(self, target: Solved) -> Mapping[Kind, str]:
        good = {"reasoning": "One step.", "answer": 1}
        return bad_records(good, {**good, "answer": "one or two"}, f"The answer is {target['answer']}.")


def _verdict(right: str, given: str) -> Verdict:
    if parse_number(given) == Fraction(right):
        return Verdict({"accuracy": 1.0}, "correct")
    return Verdict({"accuracy": 0.0}, "wrong", f"{given[:60]} where {right} is right")


def _source(data: str | None, split: Split) -> Source:
    """Where the problems of a split are."""
    hub_files = [f"main/{split}-*.parquet"]
    sample, file = _HERE / "sample.jsonl", f"{split}.jsonl"
    return find_source(data, sample=sample, file=file, hub="openai/gsm8k", hub_files=hub_files, part=split)


def _problems(source: Source, split: Split, unstated: Split) -> tuple[list[Example], int]:
    """The problems of a split, and how many rows there are in all; rows that state no split are of `unstated`."""
    total, found = 0, []
    for total, (place, row) in enumerate(source.rows(), 1):
        if own_split(row, unstated, get_args(Split), place) == split:
            found.append(_problem(row, f"{split}-{total}", place))
    return found, total


def _training(data: str | None, asked: Source, split: Split) -> tuple[Source, list[Example]]:
    """The training part, whose rows are none of the part that is `asked`, unless that is the training part itself.

    Raises UserError where there is none: what a file says nothing about is one part, and it is asked for already.
    """
    source = _source(data, "train")
    pool, _ = _problems(source, "train", split if source.fingerprint == asked.fingerprint else "train")
    if not pool:
        cause = "there is no training part to take worked examples from"
        fix = "give a folder with train.jsonl, or rows with a 'split', or leave out --set shots"
        raise UserError(cause, place=source.place, fix=fix)
    return source, pool


def _problem(row: JsonRow, id: str, place: str) -> Example:
    """A question, its worked solution with `<<3*4=12>>` notes, `#### ` and the number."""
    form = 'a row is {"question": "...", "answer": "... #### 42"}'
    question, text = (text_field(row, name, place, form).strip() for name in ("question", "answer"))
    worked, mark, spelled = text.rpartition("####")
    number = parse_number(spelled)
    if not mark or number is None:
        cause = f"{spelled.strip()[:40]!r} after '####' is not a number" if mark else "the answer has no '####'"
        raise UserError(cause, place=place, fix="end the answer with `#### ` and the number")
    target = {"answer": format_number(number), "solution": re.sub("<<[^<>]*>>", "", worked).strip()}
    return Example(id, (Message("user", prompt_template(_HERE / "prompt.jinja")(question=question)),), target)
