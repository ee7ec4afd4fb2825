"""TensorBoard: event files in the run's own directory (`tensorboard --logdir RUN/tensorboard`); nothing is sent."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from listeval.runs.tracking.tracker import TrackedRun


def begin(start: TrackedRun) -> TensorBoard:
    """Writes what was chosen as a text and as hyperparameters."""
    return TensorBoard(start)


class TensorBoard:
    """Event files by TensorBoard's own writer, which needs neither torch nor TensorFlow."""

    def __init__(self, start: TrackedRun) -> None:
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.plugins.text.summary_v2 import text_pb
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer = EventFileWriter(str(start.directory / "tensorboard"))
        plain = {n: v if isinstance(v, str | int | float) else json.dumps(v) for n, v in start.config.items()}
        self._add(hparams_pb(plain, trial_id=start.key), 0)
        text = json.dumps(dict(start.config), indent=1, ensure_ascii=False)
        self._add(text_pb("config", "".join(f"    {line}\n" for line in text.splitlines())), 0)

    def log(self, figures: Mapping[str, float], step: int) -> None:
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb

        for name, value in figures.items():
            self._add(scalar_pb(name, value), step)
        self._writer.flush()

    def finish(self, figures: Mapping[str, float], step: int) -> None:
        self.log(figures, step)

    def close(self, *, complete: bool) -> None:
        self._writer.close()

    def _add(self, summary: Any, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
