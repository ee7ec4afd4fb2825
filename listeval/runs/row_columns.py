"""The rows of runs as columns of one name and type each: what frames, data sets and files are made from.

No package is needed for it. What a row may hold of any shape (`value`, `target`) stands as JSON text in files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from listeval.runs.token_counts import read_tokens, written_tokens

if TYPE_CHECKING:
    from listeval.runs.rows import Row
    from listeval.runs.store import Run

ColumnType = Literal["text", "integer", "number", "truth", "texts", "any"]


class TypedColumn(NamedTuple):
    """What a column holds, and its values, one a row; None where a row has none."""

    holds: ColumnType
    values: list[Any]


_Field = tuple[ColumnType, Callable[["Row"], Any]]
_RUN: dict[str, Callable[[Run], str]] = {
    "run": lambda run: str(run.path),
    "task": lambda run: run.manifest.task.name,
    "model": lambda run: run.manifest.model.title,
    "backend": lambda run: run.manifest.backend.name,
    "constraint": lambda run: run.manifest.constraint,
}
"""What a table of several runs says of each."""
_BEFORE: dict[str, _Field] = {
    "id": ("text", lambda row: row["example"]),
    "seed": ("integer", lambda row: row["seed"]),
    "cluster": ("text", lambda row: row["cluster"]),
    "outcome": ("text", lambda row: row["outcome"]),
    "reason": ("text", lambda row: row["reason"]),
    "kind": ("text", lambda row: row["kind"]),
    "detail": ("text", lambda row: row["detail"]),
    "flags": ("texts", lambda row: list(row["flags"])),
    "verdict": ("text", lambda row: row["verdict"]),
    "bare": ("truth", lambda row: row["bare"]),
}
_AFTER: dict[str, _Field] = {
    "prompt": ("text", lambda row: row["prompt"]),
    "text": ("text", lambda row: row["text"]),
    "reasoning": ("text", lambda row: row["reasoning"]),
    "value": ("any", lambda row: row["value"]),
    "target": ("any", lambda row: row["target"]),
    "finish_reason": ("text", lambda row: row["finish_reason"]),
    "n_tokens": (
        "integer",
        lambda row: written_tokens(row["kind"], row["n_tokens"], row["n_prompt_tokens"]),
    ),
    "n_prompt_tokens": ("integer", lambda row: read_tokens(row["kind"], row["n_prompt_tokens"])),
    "latency_s": ("number", lambda row: float(row["latency_s"])),
    "masked": ("number", lambda row: row["masked"]),
    "answers": ("integer", lambda row: len(row["attempts"] or (0,))),
    "error": ("text", lambda row: row["error"]),
}


def table(runs: Sequence[Run], *, named: bool = False) -> dict[str, TypedColumn]:
    """Columns over all rows of `runs`, in their order; `named` puts what each run is before them.

    A metric's column has its name, with `score_` before it where another column is called so; it is None for an
    answer that has no score, which is not a score of zero.
    """
    owned = [(run, row) for run in runs for row in run.rows]
    rows = [row for _, row in owned]
    own = {name: TypedColumn("text", [read(run) for run, _ in owned]) for name, read in _RUN.items()} if named else {}
    taken = [*own, *_BEFORE, *_AFTER]
    scores: dict[str, TypedColumn] = {}
    for metric in dict.fromkeys(metric.name for run in runs for metric in run.metrics):
        name = free_name(metric, [*taken, *scores])
        scores[name] = TypedColumn("number", [row["scores"].get(metric) for row in rows])
    return own | _columns(rows, _BEFORE) | scores | _columns(rows, _AFTER)


def _columns(rows: Sequence[Row], fields: dict[str, _Field]) -> dict[str, TypedColumn]:
    return {name: TypedColumn(holds, list(map(read, rows))) for name, (holds, read) in fields.items()}


def free_name(name: str, taken: Collection[str]) -> str:
    """`name`, with `score_` before it as often as it takes to be none of `taken`."""
    while name in taken:
        name = f"score_{name}"
    return name


def as_json(value: Any) -> str | None:
    """A value of any shape as JSON text; None stays None."""
    return None if value is None else json.dumps(value, ensure_ascii=False)
