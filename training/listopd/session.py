"""What both stages do around a step: go on where an earlier run stopped, log, save states, write the checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from listopd.data import Question, Questions, batches
from listopd.journal import Journal
from listopd.networks import save_network
from listopd.parallel import gathered, weights_of

if TYPE_CHECKING:
    from accelerate import Accelerator

    from listeval.backends.checkpoint import Checkpoint
    from listopd.recipe import Length, Recipe
    from listopd.train import Report
    from listopd.trainee import Trainee

Step = Callable[[Sequence[Question], int], dict[str, Any]]
"""Trains on one global batch; is given the 0-based step and gives its figures."""


class Session(NamedTuple):
    """One training in its run directory."""

    recipe: Recipe
    journal: Journal
    accelerator: Accelerator
    trainee: Trainee
    checkpoint: Checkpoint
    """Where the student started, for its tokenizer."""
    report: Report

    def run(self, questions: Questions, size: int, first: int, steps: int, step: Step) -> Path:
        """Train from 0-based step `first` up to `steps`, `size` questions a batch; gives the checkpoint's folder.

        Ctrl-C lets the step end and saves the state before it raises KeyboardInterrupt.
        """
        with _asked_to_stop() as stopped:
            for number, batch in enumerate(batches(questions.kept, size, self.recipe.seed)):
                if number >= steps:
                    break
                if number < first:
                    continue
                figures = step(batch, number)
                self.journal.write(number + 1, figures)
                if self.accelerator.is_main_process:
                    self.report(number + 1, steps, figures)
                stop = any(gathered(stopped.is_set(), self.accelerator))
                if stop or self._due(number + 1):
                    self.journal.save_state(number + 1)
                if stop:
                    raise KeyboardInterrupt
        return self._save()

    def _due(self, done: int) -> bool:
        every = self.recipe.save_every
        return bool(every) and done % every == 0

    def _save(self) -> Path:
        weights = weights_of(self.accelerator, self.trainee.scorer)
        if self.accelerator.is_main_process:
            folder, save = self.journal.checkpoint, self.recipe.precision.save
            save_network(self.trainee.network, self.checkpoint, weights, folder, save)
        self.journal.end()
        return self.journal.checkpoint


def step_count(length: Length, questions: Questions, size: int) -> int:
    """Optimiser steps; an epoch drops its last, partial batch."""
    return length.steps or (length.epochs or 0) * (len(questions.kept) // size)


@contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the second one interrupts as usual."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
