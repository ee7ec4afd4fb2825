"""Running a locked study: arm by arm, resumable, with the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from listeval.cli.pulse import gap
from listeval.errors import UserError, did_you_mean
from listopd.cliff.arms import ArmSpec, Runner
from listopd.cliff.lock import Lock, check_inputs, note_sweep
from listopd.cliff.records import unfinished
from listopd.cliff.study import StudyFile

Say = Callable[[str], None]


def sweep_arms(lock: Lock, arms: Sequence[ArmSpec], runner: Runner, out: Path, say: Say = lambda line: None) -> int:
    """Train and evaluate what is not finished yet; gives how many arms were.

    Raises UserError where code, data or models are not those that were locked. What an arm saved before a kill is kept.
    """
    check_inputs(lock, runner.inputs(arms), out)
    todo = unfinished(arms, out / "arms")
    if not todo:
        return 0
    note_sweep(lock, out)
    (out / "arms").mkdir(parents=True, exist_ok=True)
    say(f"{len(arms) - len(todo)} of {len(arms)} arms are finished; {sum(arm.steps for arm in todo)} steps are to come")
    runner.run(todo, out / "arms", SweepProgress(sum(arm.steps for arm in todo), say))
    return len(todo) - len(unfinished(todo, out / "arms"))


def chosen(file: StudyFile, parts: Sequence[str]) -> list[ArmSpec]:
    """The arms of these parts, of all where none is named. Raises UserError for a part that there is not."""
    for name in parts:
        if name not in file.study.parts:
            raise UserError(f"no part '{name}'", place=str(file.path), fix=did_you_mean(name, list(file.study.parts)))
    return [arm for arm in file.arms if not parts or arm.part in parts]


class SweepProgress:
    """Says how far a sweep is, rarer the longer it takes, and how long the rest takes at the pace since its start."""

    def __init__(self, steps: int, say: Say, clock: Callable[[], float] = time.monotonic) -> None:
        self.steps, self.say, self.clock = steps, say, clock
        self.done = 0
        self._began = self._spoken = clock()

    def __call__(self, steps: int, words: str) -> None:
        """Note arm-steps newly done, and what is being done."""
        self.done += steps
        now = self.clock()
        if now - self._spoken >= gap(now - self._began) or self.done == self.steps > 0 < steps:
            self._spoken = now
            self.say(f"{self.done}/{self.steps} arm-steps, {words}{self._left(now)}")

    def _left(self, now: float) -> str:
        if not 0 < self.done < self.steps:
            return ""
        left = int((now - self._began) / self.done * (self.steps - self.done))
        hours, minutes = divmod(left // 60, 60)
        clock = f"{hours}:{minutes:02d}:{left % 60:02d}" if hours else f"{minutes}:{left % 60:02d}"
        return f", {clock} left"
