"""From a raw completion to a row: parse, classify, score. Used when an answer arrives and again by a re-score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import msgspec

from listeval.backends.protocol import Completion
from listeval.contract import Contract, Failure, Flag, Kind, Parsed
from listeval.decoding.promise import Promise
from listeval.errors import words_of
from listeval.runs.fields import MOST, Count, measured, recorded
from listeval.runs.preparation import SampleRequest
from listeval.runs.reask import SampleAttempt
from listeval.runs.rows import TOO_LONG, Row, forget, unscore
from listeval.task import Task, Unscored, Verdict
from listeval.visible import storable

_NONE = Promise("none")


def make_rows(task: Task, answers: Sequence[tuple[SampleRequest, Completion]], promise: Promise = _NONE) -> list[Row]:
    """Rows of answers that arrived together; those that parse are scored in one batch."""
    rows = [_row(asked, completion) for asked, completion in answers]
    parse_and_score(task, rows, promise)
    return rows


def refused_row(asked: SampleRequest, limit: int) -> Row:
    """The row of a prompt that does not fit: unscored with the reason, never cut."""
    need, budget = len(asked.request.prompt.token_ids), asked.request.sampling.max_tokens
    row = _row(asked, Completion(asked.request.key, "", "error", n_prompt_tokens=need))
    # A server that renders its prompts does not tell their length: the budget alone is too much.
    wanted = f"prompt of {need:,} tokens + {budget:,}" if need else f"{budget:,} tokens"
    detail = f"{wanted} to generate > the model's {limit:,}"
    row["outcome"], row["reason"], row["detail"] = "unscored", TOO_LONG, detail
    return row


def parse_and_score(task: Task, rows: Sequence[Row], promise: Promise = _NONE) -> None:
    """Set everything in `rows` that follows from their raw text and target, in place.

    A task that raises, or gives what no row can hold, leaves the rows at fault unscored with the reason; `rescore`
    tries them again.
    """
    parsed: list[tuple[Row, Any]] = []
    for row in rows:
        if row["reason"] == TOO_LONG:
            continue
        forget(row)
        try:
            contract = task.contract(row["target"])
            result = _parse(contract, row, promise)
            row["bare"] = bool(contract.is_bare(row["text"]))
            if isinstance(result, Failure) and result.raised:
                unscore(row, f"contract: {result.raised}")
                continue
            _classify(row, result)
            if row["attempts"]:
                row["attempts"] = [_read_again(contract, tried, promise) for tried in row["attempts"]]
            if isinstance(result, Parsed):
                parsed.append((row, result.value))
            elif not task.labelled(row["target"]):
                row["scores"] = {metric.name: None for metric in task.metrics}
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
            forget(row)
            unscore(row, _raised("contract", error))
    if parsed:
        _score(task, parsed)


def _parse(contract: Contract[Any], answer: Row | SampleAttempt, promise: Promise) -> Parsed[Any] | Failure:
    result = contract.parse(answer["text"], answer["finish_reason"], answer["reasoning"])
    if isinstance(result, Failure) and not result.raised:
        result = promise.held(contract, answer["text"], answer["finish_reason"], result)
    return result


def _read_again(contract: Contract[Any], tried: SampleAttempt, promise: Promise) -> SampleAttempt:
    result, bare = _parse(contract, tried, promise), bool(contract.is_bare(tried["text"]))
    if isinstance(result, Parsed):
        return {**tried, "kind": Kind.OK.value, "detail": "", "missing": 0, "bare": bare}
    found = _finding(result)
    return {
        **tried, "kind": found["kind"].value, "detail": found["detail"], "missing": found["missing"], "bare": bare
    }  # fmt: skip


def _score(task: Task, parsed: Sequence[tuple[Row, Any]]) -> None:
    """Score a batch; where the task raises, its halves, down to the row at fault."""
    try:
        found = task.score([row["target"] for row, _ in parsed], [value for _, value in parsed])
        for (row, _), result in zip(parsed, found, strict=True):
            _set_score(task, row, result)
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
        if len(parsed) == 1:
            unscore(parsed[0][0], _raised("score", error))
            return
        half = len(parsed) // 2
        _score(task, parsed[:half])
        _score(task, parsed[half:])


def _set_score(task: Task, row: Row, result: Mapping[str, float] | Verdict | Unscored) -> None:
    if isinstance(result, Unscored):
        unscore(row, _text("reason", result.reason))
        return
    scores: Mapping[str, float]
    if isinstance(result, Verdict):
        if result.name not in task.verdicts:
            raise ValueError(f"its verdict '{result.name}' is none of {', '.join(task.verdicts) or 'its (none)'}")
        scores, row["verdict"], row["detail"] = result.scores, result.name, _text("detail", result.detail)
    else:
        scores = result
    names = {metric.name for metric in task.metrics}
    if scores.keys() != names:
        raise ValueError(f"it gave {sorted(scores)}, its metrics are {sorted(names)}")
    row["scores"] = {name: _score_of(name, value) for name, value in scores.items()}


def _score_of(name: str, value: float) -> float | None:
    try:
        return recorded(value)
    except ValueError as error:
        raise ValueError(f"its metric '{name}': {error}") from None


def _text(what: str, said: str) -> str:
    if not isinstance(said, str):
        raise TypeError(f"its {what} is a {type(said).__name__}, not a text")
    return storable(said)


def _raised(step: str, error: Exception) -> str:
    return f"{step}: {type(error).__name__}: {words_of(error)}"


class _Finding(TypedDict):
    """What a contract says of a broken answer, as a row can hold that."""

    kind: Kind
    detail: str
    missing: Count


def _finding(failure: Failure) -> _Finding:
    """Raises ValueError and msgspec's ValidationError for what no row can hold, as a task's own contract may say it."""
    if failure.kind is Kind.OK:
        raise ValueError("a failure is not of the kind 'ok'")
    said = {"kind": failure.kind, "detail": failure.detail, "missing": failure.missing}
    found = msgspec.convert(said, _Finding)
    return {**found, "detail": storable(found["detail"])}


def _classify(row: Row, result: Parsed[Any] | Failure) -> None:
    """Raises as `_finding`, and for a span or flags that are none."""
    row["flags"], row["scores"], row["span"] = [Flag(flag).value for flag in result.flags], {}, _span(result.span)
    if isinstance(result, Parsed):
        row["outcome"], row["kind"], row["detail"] = "scored", Kind.OK.value, ""
        row["value"], row["missing"] = result.value, 0
        return
    found = _finding(result)
    row["outcome"] = "error" if found["kind"] is Kind.ENGINE_ERROR else "scored"
    row["kind"], row["detail"] = found["kind"].value, row["error"] or found["detail"]
    row["value"], row["missing"] = None, found["missing"]


def _span(span: tuple[int, int] | None) -> tuple[int, int] | None:
    if span is not None:
        start, end = span
        if type(start) is not int or type(end) is not int or not 0 <= start <= end <= MOST:
            raise ValueError(f"{span} is no span")
    return span


def _row(asked: SampleRequest, completion: Completion) -> Row:
    example, request = asked.sample.example, asked.request
    prompt = request.prompt
    return Row(
        key=request.key,
        outcome="error",
        reason=None,
        example=example.id,
        index=asked.sample.place,
        seed=request.seed,
        cluster=example.cluster,
        kind=Kind.ENGINE_ERROR.value,
        detail="",
        flags=(),
        span=None,
        missing=0,
        bare=None,
        scores={},
        verdict=None,
        value=None,
        target=example.target,
        text=storable(completion.text),
        reasoning=None if completion.reasoning is None else storable(completion.reasoning),
        finish_reason=completion.finish_reason,
        n_tokens=_counted(completion.n_tokens),
        n_prompt_tokens=_counted(completion.n_prompt_tokens) or len(prompt.token_ids),
        latency_s=measured(completion.latency_s) or 0.0,
        masked=measured(completion.masked),
        prompt=storable(prompt.text or "\n\n".join(f"{m.role}: {m.content}" for m in prompt.messages)),
        error=None if completion.error is None else storable(completion.error),
        attempts=None,
    )


def _counted(tokens: int) -> int:
    """What a server calls a count may be anything; what is none counts nothing."""
    return tokens if type(tokens) is int and 0 <= tokens <= MOST else 0
