"""From a raw completion to a row: parse, classify, score. Used when an answer arrives and again by a re-score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from listeval.backends.protocol import Completion
from listeval.contract import Failure, Kind, Parsed
from listeval.runs.plan import Owed
from listeval.runs.rows import Row
from listeval.task import Task

TOO_LONG = "prompt_too_long"


def judge(task: Task, answers: Sequence[tuple[Owed, Completion]]) -> list[Row]:
    """Rows of answers that arrived together; those that parse are scored in one batch."""
    rows = [_row(owed, completion) for owed, completion in answers]
    parse_and_score(task, rows)
    return rows


def refuse(owed: Owed, limit: int) -> Row:
    """The row of a prompt that does not fit: unscored with the reason, never cut."""
    need, budget = len(owed.request.prompt.token_ids), owed.request.sampling.max_tokens
    row = _row(owed, Completion(owed.request.key, "", "error", n_prompt_tokens=need))
    detail = f"prompt of {need:,} tokens + {budget:,} to generate > the model's {limit:,}"
    row["outcome"], row["reason"], row["detail"] = "unscored", TOO_LONG, detail
    return row


def parse_and_score(task: Task, rows: Sequence[Row]) -> None:
    """Set everything in `rows` that follows from their raw text and target, in place."""
    parsed: list[tuple[Row, Any]] = []
    for row in rows:
        if row["outcome"] == "unscored" and row["reason"] == TOO_LONG:
            continue
        result = task.contract(row["target"]).parse(row["text"], row["finish_reason"], row["reasoning"])
        _classify(row, result)
        if isinstance(result, Parsed):
            parsed.append((row, result.value))
    if parsed:
        scores = task.score([row["target"] for row, _ in parsed], [value for _, value in parsed])
        for (row, _), found in zip(parsed, scores, strict=True):
            row["scores"] = {name: None if math.isnan(x) else float(x) for name, x in found.items()}


def _classify(row: Row, result: Parsed[Any] | Failure) -> None:
    row["flags"], row["scores"], row["span"] = [flag.value for flag in result.flags], {}, result.span
    if isinstance(result, Parsed):
        row["outcome"], row["kind"], row["detail"] = "scored", Kind.OK.value, ""
        row["value"], row["missing"] = result.value, 0
        return
    row["outcome"] = "error" if result.kind is Kind.ENGINE_ERROR else "scored"
    row["kind"], row["detail"] = result.kind.value, row["error"] or result.detail
    row["value"], row["missing"] = None, result.missing


def _row(owed: Owed, completion: Completion) -> Row:
    example, request = owed.example, owed.request
    prompt = request.prompt
    return Row(
        key=request.key,
        outcome="error",
        example=example.id,
        index=owed.place,
        seed=request.seed,
        cluster=example.cluster,
        kind=Kind.ENGINE_ERROR.value,
        detail="",
        flags=(),
        span=None,
        missing=0,
        scores={},
        value=None,
        target=example.target,
        text=_unicode(completion.text),
        reasoning=None if completion.reasoning is None else _unicode(completion.reasoning),
        finish_reason=completion.finish_reason,
        n_tokens=completion.n_tokens,
        n_prompt_tokens=completion.n_prompt_tokens or len(prompt.token_ids),
        latency_s=round(completion.latency_s, 6),
        prompt=_unicode(prompt.text or "\n\n".join(f"{m.role}: {m.content}" for m in prompt.messages)),
        reason=None,
        error=completion.error,
    )


def _unicode(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates, which only a remote server's JSON can bring, become U+FFFD."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode() if _has_surrogate(text) else text


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
