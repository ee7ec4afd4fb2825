"""Answers of one λ judged by the harness itself: rows, their summary, and which of them keep the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from listeval.backends.protocol import Completion, Request, Sampling
from listeval.contract import Kind
from listeval.models.channels import split_decoded
from listeval.models.checkpoint import Checkpoint
from listeval.runs.make_rows import make_rows
from listeval.runs.metrics import summarise
from listeval.runs.preparation import Sample, SampleRequest
from listeval.runs.rows import Row, unit
from listeval.runs.stored_row import JudgedRow
from listeval.task import Task
from listopd.curve.curve_result import TargetPoint
from listopd.curve.decode import WrittenAnswer
from listopd.probe.answers import ProbeQuestion, ProbeQuestions


class JudgedPoint(NamedTuple):
    """A point, and its rows in the order of the prompts."""

    point: TargetPoint
    rows: list[Row]

    @property
    def good(self) -> list[float]:
        """1 for an answer that keeps the contract, 0 for one that breaks it; NaN where the contract's code broke."""
        return [float("nan") if _unread(row) else float(row["kind"] == Kind.OK) for row in self.rows]


def judge_point(
    lam: float, written: Sequence[WrittenAnswer], asked: ProbeQuestions, task: Task, model: Checkpoint
) -> JudgedPoint:
    """The point of one λ; `written` are the answers to the prompts in order."""
    owed = [_owed(question, asked) for question in asked.kept]
    completions = [_completion(one.request, answer, model) for one, answer in zip(owed, written, strict=True)]
    rows = make_rows(task, list(zip(owed, completions, strict=True)))
    found = summarise(list(map(JudgedRow.of, rows)), task.metrics)
    kinds = {name: n for name, n in found.kinds.items() if n}
    return JudgedPoint(TargetPoint(lam, len(rows), found.metrics, kinds), rows)


def clusters(asked: ProbeQuestions) -> list[str]:
    """What each prompt belongs to."""
    examples = [asked.data[question.seed].examples[question.place] for question in asked.kept]
    return [unit(example.cluster, example.id) for example in examples]


def _owed(question: ProbeQuestion, asked: ProbeQuestions) -> SampleRequest:
    example = asked.data[question.seed].examples[question.place]
    contract, name = question.contract, question.name
    request = Request(name, example.id, question.prompt, Sampling(), question.seed, contract, question.place)
    return SampleRequest(Sample(name, example, question.place, question.seed, contract), request)


def _completion(request: Request, answer: WrittenAnswer, model: Checkpoint) -> Completion:
    reasoning, text = split_decoded(model.renderer, list(answer.tokens), request.prompt.text)
    return Completion(
        key=request.key,
        text=text,
        finish_reason="stop" if answer.stopped else "length",
        n_tokens=len(answer.tokens) + answer.stopped,
        n_prompt_tokens=len(request.prompt.token_ids),
        token_ids=answer.tokens,
        reasoning=reasoning,
    )


def _unread(row: Row) -> bool:
    return row["kind"] == Kind.ENGINE_ERROR
