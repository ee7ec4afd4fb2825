"""Re-score a run from its own rows: raw texts stay, everything that follows from them is made anew."""

from __future__ import annotations

from pathlib import Path

from listeval.runs.files import write_atomic
from listeval.runs.judge import parse_and_score
from listeval.runs.lock import exclusive
from listeval.runs.plan import make_task, permit, ready, task_entry
from listeval.runs.rows import encode
from listeval.runs.store import Run, load_run


def rescore(path: str | Path, *, allow_code_execution: bool = False) -> Run:
    """Parse and score every row again with today's task code; needs neither model nor data.

    The rows are replaced atomically. Raises UserError for a path that is not a run, for a run
    that is being written, and for a task that is gone.
    """
    old = load_run(path)
    task = make_task(old.manifest.task["name"], old.manifest.task["options"])
    permit(task, allow_code_execution)
    with ready(task):
        with exclusive(old.path):
            rows = old.every
            parse_and_score(task, rows, old.manifest.promise)
            # A row that is not this run's stays as it is, and so does its being named.
            strays = [stray.line for stray in old.strays]
            write_atomic(old.path / "samples.jsonl", b"".join([*map(encode, rows), *strays]))
            old.manifest.task.update(task_entry(task))
            old.manifest.write(old.path)
        fresh = Run(old.path, old.manifest)
        fresh.conclude(task)
    return fresh
