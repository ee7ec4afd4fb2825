"""What a run is called in reports: task, data, model and engine in one line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from listeval.report.constrained import constraint_words
from listeval.visible import inline

if TYPE_CHECKING:
    from listeval.runs import Run


def run_title(run: Run) -> str:
    """Task, data, model and engine of a run in one line."""
    manifest = run.manifest
    options = " ".join(f"{name}={value}" for name, value in manifest.config.options.items())
    speed = f" · {run.tokens_per_second:,} tok/s" if run.tokens_per_second else ""
    model = Path(manifest.model.title).name
    words = constraint_words(manifest)
    constraint = f" · {words}" if words else ""
    if not math.isnan(run.summary.masked):
        constraint += f", masked mass {run.summary.masked:.3f}"
    task = f"{manifest.task.name} {options}".strip()
    return inline(f"{task} · {data_name(run)} · {model} · {manifest.backend.name}{constraint}{speed}")


def data_name(run: Run) -> str:
    """What the run's data is called."""
    first = next(iter(run.manifest.data.values()))
    return first.name or Path(first.source).name
