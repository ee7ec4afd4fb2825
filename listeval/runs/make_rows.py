"""From a raw completion to a row: parse, classify, score. Used when an answer arrives and again by a re-score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import msgspec
from pydantic_core import to_json

from listeval.backends.protocol import Completion
from listeval.contract import Contract, Failure, Flag, Kind, Parsed
from listeval.decoding.promise import Promise
from listeval.errors import words_of
from listeval.runs.fields import MOST, Count, Span, measured, recorded
from listeval.runs.preparation import SampleRequest
from listeval.runs.reask import SampleAttempt
from listeval.runs.rows import TOO_LONG, Row
from listeval.task import Task, Unscored, Verdict

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
    detail = f"prompt of {need:,} tokens + {budget:,} to generate > the model's {limit:,}"
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
        _forget(row)
        try:
            contract = task.contract(row["target"])
            result = _parse(contract, row, promise)
            row["bare"] = bool(contract.is_bare(row["text"]))
            if isinstance(result, Failure) and result.raised:
                _unscore(row, f"contract: {result.raised}")
                continue
            _classify(row, result)
            if row["attempts"]:
                row["attempts"] = [_read_again(contract, tried, promise) for tried in row["attempts"]]
            if isinstance(result, Parsed):
                parsed.append((row, result.value))
            elif not task.labelled(row["target"]):
                row["scores"] = {metric.name: None for metric in task.metrics}
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
            _forget(row)
            _unscore(row, _raised("contract", error))
    if parsed:
        _score(task, parsed)


def _forget(row: Row) -> None:
    """Nothing is known of the answer until the contract has read it, whatever was known before a re-score."""
    row["reason"] = row["verdict"] = row["value"] = row["span"] = None
    row["kind"], row["flags"], row["missing"], row["bare"] = Kind.ENGINE_ERROR.value, (), 0, None


def _parse(contract: Contract[Any], answer: Row | SampleAttempt, promise: Promise) -> Parsed[Any] | Failure:
    result = contract.parse(answer["text"], answer["finish_reason"], answer["reasoning"])
    if isinstance(result, Failure) and not result.raised:
        result = promise.held(contract, answer["text"], answer["finish_reason"], result)
    return result


def _read_again(contract: Contract[Any], tried: SampleAttempt, promise: Promise) -> SampleAttempt:
    found = _finding(_parse(contract, tried, promise))
    return {**tried, "kind": found["kind"], "detail": found["detail"], "missing": found["missing"]}


def _score(task: Task, parsed: Sequence[tuple[Row, Any]]) -> None:
    """Score a batch; where the task raises, its halves, down to the row at fault."""
    try:
        found = task.score([row["target"] for row, _ in parsed], [value for _, value in parsed])
        for (row, _), result in zip(parsed, found, strict=True):
            _set_score(task, row, result)
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
        if len(parsed) == 1:
            _unscore(parsed[0][0], _raised("score", error))
            return
        half = len(parsed) // 2
        _score(task, parsed[:half])
        _score(task, parsed[half:])


def _set_score(task: Task, row: Row, result: Mapping[str, float] | Verdict | Unscored) -> None:
    if isinstance(result, Unscored):
        _unscore(row, _text("reason", result.reason))
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
    return _unicode(said)


def _unscore(row: Row, reason: str) -> None:
    row["outcome"], row["scores"], row["verdict"] = "unscored", {}, None
    row["reason"] = row["detail"] = _unicode(reason)


def _raised(step: str, error: Exception) -> str:
    return f"{step}: {type(error).__name__}: {words_of(error)}"


class _Finding(TypedDict):
    """What a contract says of an answer, as the row of it can hold that."""

    kind: Kind
    detail: str
    flags: Sequence[Flag]
    span: Span | None
    missing: Count


def _finding(result: Parsed[Any] | Failure) -> _Finding:
    """Raises ValueError for what no row can hold, which only a contract of the task's own can say."""
    if isinstance(result, Parsed):
        kind, detail, missing = Kind.OK, "", 0
        # JSON alone is kept of a value, whatever the contract made of the answer.
        to_json(result.value, inf_nan_mode="null")
    else:
        kind, detail, missing = result.kind, result.detail, result.missing
    said = {"kind": kind, "detail": detail, "flags": result.flags, "span": result.span, "missing": missing}
    found = msgspec.convert(said, _Finding)
    if found["kind"] is Kind.OK and isinstance(result, Failure):
        raise ValueError("a failure is not of the kind 'ok'")
    if found["span"] is not None and found["span"][0] > found["span"][1]:
        raise ValueError(f"its span {result.span} ends before it begins")
    return {**found, "detail": _unicode(detail)}


def _classify(row: Row, result: Parsed[Any] | Failure) -> None:
    found = _finding(result)
    row["flags"], row["scores"], row["span"] = [flag.value for flag in found["flags"]], {}, found["span"]
    row["outcome"] = "error" if found["kind"] is Kind.ENGINE_ERROR else "scored"
    row["kind"], row["missing"] = found["kind"].value, found["missing"]
    if isinstance(result, Parsed):
        row["value"], row["detail"] = result.value, ""
    else:
        row["value"], row["detail"] = None, row["error"] or found["detail"]


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
        text=_unicode(completion.text),
        reasoning=None if completion.reasoning is None else _unicode(completion.reasoning),
        finish_reason=completion.finish_reason,
        n_tokens=_counted(completion.n_tokens),
        n_prompt_tokens=_counted(completion.n_prompt_tokens) or len(prompt.token_ids),
        latency_s=measured(completion.latency_s) or 0.0,
        masked=measured(completion.masked),
        prompt=_unicode(prompt.text or "\n\n".join(f"{m.role}: {m.content}" for m in prompt.messages)),
        error=None if completion.error is None else _unicode(completion.error),
        attempts=None,
    )


def _counted(tokens: int) -> int:
    """What a server calls a count may be anything; what is none counts nothing."""
    return tokens if type(tokens) is int and 0 <= tokens <= MOST else 0


def _unicode(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates, which only a remote server's JSON can bring, become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
