"""A run whose answers are replayed: which of its lines no figure of it counts, so that a replay leaves them out too."""

from __future__ import annotations

from pathlib import Path

from listeval.backends.replay import SAMPLES
from listeval.runs.rows import row_heads
from listeval.runs.store import load_run


def uncounted_lines(model: str) -> frozenset[int]:
    """Numbers, from 1, of the lines of a run (its directory or its `samples.jsonl`) that are not counted.

    These are rows that are not the run's own, and rows beyond what it asks for. Empty for a file of no run.
    Raises UserError for a run that is damaged.
    """
    path = Path(model)
    directory = path.parent if path.name == SAMPLES and path.is_file() else path
    if not (directory / "manifest.json").is_file():
        return frozenset()
    found = load_run(directory)
    if not found.strays and not found.hidden:
        return frozenset()
    counted, strays = {row.key for row in found.judged}, {stray.number for stray in found.strays}
    heads = row_heads(directory / SAMPLES)
    return frozenset(number for number, head in heads if number in strays or head.key not in counted)
