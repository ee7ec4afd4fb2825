"""Re-score a run from its own rows: raw texts stay, everything that follows from them is made anew."""

from __future__ import annotations

from pathlib import Path

from listeval.disk import write_atomic
from listeval.errors import placed
from listeval.plugins.open import make_task, permit, ready
from listeval.runs.lock import exclusive
from listeval.runs.make_rows import parse_and_score
from listeval.runs.observer import Observer, SilentObserver
from listeval.runs.preparation import task_entry
from listeval.runs.rows import encode
from listeval.runs.store import Run, load_run
from listeval.task import Task

_AT_ONCE = 256
"""Answers that are scored together; what watches hears of them one batch after the other."""


def rescore(path: str | Path, *, allow_code_execution: bool = False, observer: Observer | None = None) -> Run:
    """Parse and score every row again with today's task code; needs neither model nor data.

    The rows are replaced atomically. Raises UserError for a path that is not a run, for a run
    that is being written, and for a task that is gone.
    """
    watch = observer or SilentObserver()
    watch.stage("reading the rows")
    directory = load_run(path).path
    # What another process wrote until now is read here; from here on no other one writes.
    with exclusive(directory):
        old = load_run(directory)
        with placed(directory):
            task = make_task(old.manifest.task.name, old.manifest.task.options)
        permit(task, allow_code_execution)
        with ready(task):
            return _rescored(task, old, watch)


def _rescored(task: Task, old: Run, watch: Observer) -> Run:
    rows = old.every
    watch.begin(len(rows))
    for start in range(0, len(rows), _AT_ONCE):
        batch = rows[start : start + _AT_ONCE]
        parse_and_score(task, batch, old.manifest.promise)
        watch.rows(batch)
    watch.stage("computing metrics and intervals")
    # A row that is not this run's stays as it is, and so does its being named.
    strays = [stray.line for stray in old.strays]
    write_atomic(old.path / "samples.jsonl", b"".join([*map(encode, rows), *strays]))
    old.manifest.task = task_entry(task, rows[0]["target"] if rows else None)
    old.manifest.write(old.path)
    fresh = Run(old.path, old.manifest)
    fresh.conclude(task)
    return fresh
