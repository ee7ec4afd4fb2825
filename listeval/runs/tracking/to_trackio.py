"""Trackio: a local data base, or the Space that its own environment names (TRACKIO_SPACE_ID)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from listeval.runs.tracking.tracker import PROJECT, TrackedRun


def begin(start: TrackedRun) -> Trackio:
    """A run of trackio; one that goes on is the same there."""
    return Trackio(start)


class Trackio:
    """One run of trackio."""

    def __init__(self, start: TrackedRun) -> None:
        import trackio

        name = f"{start.name}-{start.key}"
        self._run: Any = trackio.init(
            project=PROJECT,
            name=name,
            config=dict(start.config),
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    def log(self, figures: Mapping[str, float], step: int) -> None:
        self._run.log(dict(figures), step=step)

    def finish(self, figures: Mapping[str, float], step: int) -> None:
        self.log(figures, step)

    def close(self, *, complete: bool) -> None:
        import trackio

        # Not the run's own `finish`: at the process' end trackio would finish it once more, and say so on stdout.
        trackio.finish()
