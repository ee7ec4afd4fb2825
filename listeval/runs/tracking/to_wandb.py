"""Weights & Biases: with the account, mode and project of its own environment (`wandb login`, WANDB_MODE)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from listeval.runs.tracking.tracker import PROJECT, TrackedRun


def begin(start: TrackedRun) -> Wandb:
    """A run of wandb; one that goes on is the same there."""
    return Wandb(start)


class Wandb:
    """One run of wandb. It captures no console, reads no code, and keeps its files in the run's directory."""

    def __init__(self, start: TrackedRun) -> None:
        import wandb

        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=start.name,
            id=start.key,
            resume="allow",
            config=dict(start.config),
            dir=str(start.directory),
            settings=wandb.Settings(silent=True, console="off", save_code=False, disable_git=True),
        )

    def log(self, figures: Mapping[str, float], step: int) -> None:
        self._run.log(dict(figures), step=step)

    def finish(self, figures: Mapping[str, float], step: int) -> None:
        self._run.summary.update(dict(figures))

    def close(self, *, complete: bool) -> None:
        self._run.finish(exit_code=0 if complete else 1)
