"""The task `gsm8k`: grade-school word problems (Cobbe et al., arXiv 2110.14168), answered as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import Field

from listeval.contract import Contract, Kind
from listeval.kit.files import fingerprint
from listeval.kit.listwise import worked_examples
from listeval.kit.records import bad_answers, turns
from listeval.kit.wording import wording
from listeval.scoring.numbers import parse_number
from listeval.task import Dataset, Example, Metric, Target, Task, TaskOptions, Verdict

from .answer import Answer, contract
from .problems import Problem, Split, read_part


class Gsm8kOptions(TaskOptions):
    """Options of the task."""

    split: Split = Field("test", description="part of the problems")
    shots: int = Field(0, ge=0, description="worked examples before the question, from the training part")


class Gsm8k(Task):
    """Word problems whose answer is one number, compared exactly."""

    name = "gsm8k"
    version = 1
    summary = "solve a word problem: reasoning and one number"
    Options = Gsm8kOptions
    metrics = (Metric("accuracy", useful=True, bounds=(0.0, 1.0), at=(1, 5, 10)),)
    verdicts = ("correct", "wrong")
    options: Gsm8kOptions

    def load(self, data: str | None, seed: int) -> Dataset:
        """The same for every seed: samples of one problem then differ by sampling alone."""
        asked = read_part(data, self.options.split)
        training = read_part(data, "train") if self.options.shots else asked._replace(problems=[], files=[])
        examples = [self._example(problem, training.problems) for problem in asked.problems]
        source = asked.files[0].name if data is not None else f"{self.name} sample"
        counts = {"rows": asked.rows, "other_splits": asked.rows - len(examples), "kept": len(examples)}
        return Dataset(examples, source, fingerprint([*asked.files, *training.files]), counts, asked.name)

    def _example(self, problem: Problem, pool: Sequence[Problem]) -> Example:
        shots, asked = self.options.shots, f"problem '{problem.id}'"
        worked = worked_examples(pool, shots, lambda other: other.id != problem.id, asked, "the training part")
        shown = [(_question(one), _answer(one.solution, one.answer)) for one in worked]
        target = {"answer": problem.answer, "solution": problem.solution}
        return Example(problem.id, turns(shown, _question(problem)), target)

    def contract(self, target: Target) -> Contract[Answer]:
        return contract()

    def gold(self, target: Target) -> str:
        return _answer(target["solution"], target["answer"])

    def score(self, targets: Sequence[Target], values: Sequence[Any]) -> list[Verdict]:
        return [_verdict(target["answer"], value.answer) for target, value in zip(targets, values, strict=True)]

    def bad(self, target: Target) -> Mapping[Kind, str]:
        good = {"reasoning": "One step.", "answer": 1}
        return bad_answers(good, {**good, "answer": "one or two"}, f"The answer is {target['answer']}.")


def _question(problem: Problem) -> str:
    return wording(Path(__file__).with_name("prompt.jinja"))(question=problem.question)


def _answer(reasoning: str, number: str) -> str:
    """The object with the number as a JSON number, digit for digit; a fraction has none and is a string."""
    return f'{{"reasoning": {json.dumps(reasoning, ensure_ascii=False)}, "answer": {_literal(number)}}}'


def _literal(number: str) -> str:
    return f'"{number}"' if "/" in number else number


def _verdict(right: str, given: str) -> Verdict:
    if parse_number(given) == Fraction(right):
        return Verdict({"accuracy": 1.0}, "correct")
    return Verdict({"accuracy": 0.0}, "wrong", f"{given[:60]} where {right} is right")
