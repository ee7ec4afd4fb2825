"""A repaired arm: the rows of a run with its broken answers repaired, parsed and scored again. No model is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from listeval.contract import Contract, Flag, KeyedList, Kind
from listeval.contract.repair import repair
from listeval.errors import UserError, first_line, placed
from listeval.plugins.open import make_task, permit, ready
from listeval.runs.damage import located
from listeval.runs.make_rows import parse_and_score
from listeval.runs.rows import Row
from listeval.runs.store import Run
from listeval.runs.stored_row import StoredRow
from listeval.task import Task

_WHOLE = "took the list as complete"
"""Said where only the finish reason changes: the budget ran out just after the list."""


@dataclass(frozen=True)
class Repairs:
    """What a repair did to a run: the raw rate stands beside the repaired one, always."""

    policies: tuple[str, ...]
    answers: int
    """Answers that the engine gave and the task scored."""
    broken: int
    changed: int
    mended: int
    """Changed answers that keep their contract now."""
    raw_parse_rate: float
    parse_rate: float
    done: dict[str, int]
    """How many answers each step was taken in."""

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return dict(vars(self))


def repaired_rows(run: Run, policies: Sequence[str]) -> tuple[list[StoredRow], Repairs]:
    """The run's rows in order, the broken ones repaired where a policy can; the run itself stays as it is.

    Raises UserError where the task has no list to repair, and where its code is not the one that scored the run.
    """
    task = _task(run)
    scored = [row for row in run.stored if row.outcome == "scored"]
    with located([run.path]):
        broken = [row.row() for row in scored if row.kind != Kind.OK]
    changed, notes = [], {}
    for row in broken:
        contract = _contract(task, row, run)
        if not isinstance(contract, KeyedList):
            cause = f"repairs are for lists of ids, and task '{task.name}' asks for another shape ({contract.noun})"
            raise UserError(cause, place=str(run.path), fix="compare it without a repair")
        new = repair(contract, row["text"], row["finish_reason"], policies)
        reason = "stop" if new.closed else row["finish_reason"]
        if (new.text, reason) != (row["text"], row["finish_reason"]):
            row["text"], row["finish_reason"] = new.text, reason
            notes[row["key"]] = new.done
            changed.append(row)
    _score(task, changed, notes)
    mended = sum(row["kind"] == Kind.OK for row in changed)
    kept, n = len(scored) - len(broken), len(scored)
    steps = Counter(_step(note) for done in notes.values() for note in done)
    mended_rows = {row["key"]: StoredRow.of(row) for row in changed}
    return [mended_rows.get(row.key, row) for row in run.stored], Repairs(
        tuple(policies), n, len(broken), len(changed), mended,
        kept / n if n else 0.0, (kept + mended) / n if n else 0.0, dict(steps.most_common()),
    )  # fmt: skip


def _contract(task: Task, row: Row, run: Run) -> Contract[Any]:
    """Raises UserError for a target that the task cannot bind, as in a damaged row."""
    try:
        return task.contract(row["target"])
    except Exception as error:
        cause = f"the row of '{row['example']}' has a target that task '{task.name}' cannot bind: {first_line(error)}"
        raise UserError(cause, place=str(run.path), fix="restore that row, or compare without a repair") from error


def _task(run: Run) -> Task:
    manifest = run.manifest
    with placed(run.path):
        task = make_task(manifest.task.name, manifest.task.options)
    permit(task, manifest.config.allow_code_execution)
    if task.code != manifest.task.code:
        cause = f"task '{task.name}' has changed since this run was scored, so raw and repaired would not compare"
        raise UserError(cause, place=str(run.path), fix=f"listeval score {run.path}")
    return task


def _score(task: Task, changed: Sequence[Row], notes: dict[str, tuple[str, ...]]) -> None:
    with ready(task):
        parse_and_score(task, changed)
    for row in changed:
        row["flags"] = [*row["flags"], Flag.REPAIRED.value]
        done = ", ".join(notes[row["key"]]) or _WHOLE
        row["detail"] = "; ".join(filter(None, [row["detail"], f"repaired: {done}"]))


def _step(note: str) -> str:
    """`appended 2 missing` as `appended missing`, so that answers are counted and not items."""
    return " ".join(word for word in note.split() if not word.isdigit())
