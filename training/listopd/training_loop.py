"""What both stages do around a step: go on where an earlier run stopped, log, save states, write the checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Self

from listeval.errors import UserError
from listopd.adapters import save_adapter
from listopd.journal import Journal
from listopd.networks import save_network
from listopd.optimise import NotFinite
from listopd.parallel import factors_of, gathered, weights_of
from listopd.phase import doing
from listopd.questions import Question, Questions, batches

if TYPE_CHECKING:
    from types import FrameType

    from accelerate import Accelerator

    from listeval.models.checkpoint import Checkpoint
    from listopd.recipe import Recipe
    from listopd.trainee import Trainee

Step = Callable[[Sequence[Question], int], dict[str, Any]]
"""Trains on one global batch; is given the 0-based step and gives its figures."""

StepReport = Callable[[int, int, dict[str, Any]], None]
"""Called after every step with the step (from 1), their number, and the step's figures."""


class TrainingLoop(NamedTuple):
    """One training in its run directory."""

    recipe: Recipe
    journal: Journal
    accelerator: Accelerator
    trainee: Trainee
    checkpoint: Checkpoint
    """Where the student started, for its tokenizer."""
    report: StepReport

    def run(self, questions: Questions, size: int, first: int, steps: int, step: Step) -> Path:
        """Train from 0-based step `first` up to `steps`, `size` questions a batch; gives the checkpoint's folder.

        Ctrl-C, and SIGTERM alike, let the step end and save the state before they raise KeyboardInterrupt. After
        the last step they let the checkpoint be written, and the training has ended.
        """
        with _Stopping() as stopping:
            for number, batch in enumerate(batches(questions.kept, size, self.recipe.seed)):
                if number >= steps:
                    break
                if number < first:
                    continue
                try:
                    figures = step(batch, number)
                except NotFinite as error:
                    raise UserError(
                        error.cause, place=error.place, fix=self.journal.resume_advice(error.fix)
                    ) from error
                self.journal.write(number + 1, figures)
                if self.accelerator.is_main_process:
                    self.report(number + 1, steps, figures)
                asked = [one for one in gathered(stopping.asked, self.accelerator) if one is not None]
                self._after(number + 1, steps, stop=bool(asked))
                if asked:
                    stopping.obey(asked[0])
            # All of a training that saved no state is in what is written here.
            doing("writing the checkpoint")
            self._write(self.journal.checkpoint, self.journal.adapter)
        self.journal.end()
        return self.journal.checkpoint

    def _after(self, done: int, steps: int, *, stop: bool) -> None:
        """What is saved when `done` of `steps` are, or where it will `stop` there."""
        recipe = self.recipe
        doing(f"step {done}/{steps}: saving")
        if recipe.keep_every and done % recipe.keep_every == 0 and done < steps:
            self._write(self.journal.kept(done))
        # Also at the end, so that a finished run can be given more steps.
        if stop or (recipe.save_every and (done % recipe.save_every == 0 or done == steps)):
            self.journal.save_state(done)

    def _write(self, folder: Path, adapter: Path | None = None) -> None:
        """The checkpoint; before it, to `adapter`, the adapters alone where there are some and their base is a file."""
        writes, network, base = self.accelerator.is_main_process, self.trainee.network, self.checkpoint.info
        factors = factors_of(self.accelerator, self.trainee.scorer) if adapter is not None else {}
        if writes and factors and adapter is not None and base.path is not None:
            self.journal.write_checkpoint(adapter, lambda fresh: save_adapter(network, factors, base, fresh))
        found = weights_of(self.accelerator, self.trainee.scorer)
        # One process keeps them, beside the device that trains; the others only take part.
        weights = {name: weight.cpu() for name, weight in found if writes}
        if writes:
            save = self.recipe.precision.save
            self.journal.write_checkpoint(
                folder, lambda fresh: save_network(network, self.checkpoint, weights, fresh, save)
            )
        self.accelerator.wait_for_everyone()


class _Stopping:
    """Inside the block the first Ctrl-C or SIGTERM is kept as `asked`; the second one does what it would outside."""

    def __init__(self) -> None:
        self.asked: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
            # One that this process was started to ignore stays ignored.
            self._before = {number: handler for number, handler in found.items() if handler is not signal.SIG_IGN}
            for number in self._before:
                signal.signal(number, self._keep)
        return self

    def __exit__(self, *raised: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def obey(self, number: int) -> NoReturn:
        """End as this signal does outside the block, whichever process of the training got it: by KeyboardInterrupt."""
        if callable(handler := self._before.get(number)):
            handler(number, None)
        raise KeyboardInterrupt

    def _keep(self, number: int, frame: FrameType | None) -> None:
        self.asked = number
        self.__exit__()
