"""From a raw completion to a row: parse, classify, score. Used when an answer arrives and again by a re-score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from listeval.backends.protocol import Completion
from listeval.contract import Contract, Failure, Kind, Parsed
from listeval.decoding.promise import Promise
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

    A task that raises leaves the rows at fault unscored with the reason; `rescore` tries them again.
    """
    parsed: list[tuple[Row, Any]] = []
    for row in rows:
        if row["reason"] == TOO_LONG:
            continue
        row["reason"] = row["verdict"] = row["value"] = row["span"] = None
        # Nothing is known of the answer until the contract has read it, whatever was known before a re-score.
        row["kind"], row["flags"], row["missing"], row["bare"] = Kind.ENGINE_ERROR.value, (), 0, None
        try:
            contract = task.contract(row["target"])
            result = _parse(contract, row, promise)
            row["bare"] = contract.is_bare(row["text"])
            if isinstance(result, Failure) and result.raised:
                _unscore(row, f"contract: {result.raised}")
                continue
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
            _unscore(row, _raised("contract", error))
            continue
        _classify(row, result)
        if row["attempts"]:
            row["attempts"] = [_read_again(contract, tried, promise) for tried in row["attempts"]]
        if isinstance(result, Parsed):
            parsed.append((row, result.value))
        elif not task.labelled(row["target"]):
            row["scores"] = {metric.name: None for metric in task.metrics}
    if parsed:
        _score(task, parsed)


def _parse(contract: Contract[Any], answer: Row | SampleAttempt, promise: Promise) -> Parsed[Any] | Failure:
    result = contract.parse(answer["text"], answer["finish_reason"], answer["reasoning"])
    if isinstance(result, Failure) and not result.raised:
        result = promise.held(contract, answer["text"], answer["finish_reason"], result)
    return result


def _read_again(contract: Contract[Any], tried: SampleAttempt, promise: Promise) -> SampleAttempt:
    result, bare = _parse(contract, tried, promise), contract.is_bare(tried["text"])
    if isinstance(result, Parsed):
        return {**tried, "kind": Kind.OK.value, "detail": "", "missing": 0, "bare": bare}
    return {**tried, "kind": result.kind.value, "detail": result.detail, "missing": result.missing, "bare": bare}


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
        _unscore(row, result.reason)
        return
    scores: Mapping[str, float]
    if isinstance(result, Verdict):
        if result.name not in task.verdicts:
            raise ValueError(f"its verdict '{result.name}' is none of {', '.join(task.verdicts) or 'its (none)'}")
        scores, row["verdict"], row["detail"] = result.scores, result.name, result.detail
    else:
        scores = result
    names = {metric.name for metric in task.metrics}
    if scores.keys() != names:
        raise ValueError(f"it gave {sorted(scores)}, its metrics are {sorted(names)}")
    row["scores"] = {name: float(x) if math.isfinite(x) else None for name, x in scores.items()}


def _unscore(row: Row, reason: str) -> None:
    row["outcome"], row["scores"], row["verdict"] = "unscored", {}, None
    row["reason"] = row["detail"] = reason


def _raised(step: str, error: Exception) -> str:
    return f"{step}: {type(error).__name__}: {error}"


def _classify(row: Row, result: Parsed[Any] | Failure) -> None:
    row["flags"], row["scores"], row["span"] = [flag.value for flag in result.flags], {}, result.span
    if isinstance(result, Parsed):
        row["outcome"], row["kind"], row["detail"] = "scored", Kind.OK.value, ""
        row["value"], row["missing"] = result.value, 0
        return
    row["outcome"] = "error" if result.kind is Kind.ENGINE_ERROR else "scored"
    row["kind"], row["detail"] = result.kind.value, row["error"] or result.detail
    row["value"], row["missing"] = None, result.missing


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
        latency_s=round(completion.latency_s, 6),
        masked=None if completion.masked is None else round(completion.masked, 6),
        prompt=_unicode(prompt.text or "\n\n".join(f"{m.role}: {m.content}" for m in prompt.messages)),
        error=completion.error,
        attempts=None,
    )


def _counted(tokens: int) -> int:
    """What a server calls a count may be anything; what is none counts nothing."""
    return tokens if type(tokens) is int and 0 <= tokens < 2**53 else 0


def _unicode(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates, which only a remote server's JSON can bring, become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
