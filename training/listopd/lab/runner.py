"""The laboratory as a study's runner: arms of one kind are trained side by side, each into a directory of its own."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from listeval.errors import UserError
from listopd.cliff.arms import ArmSpec, ExpectedCost, PairForecast, StudyPair, Tell
from listopd.cliff.records import begin, finish, log_file, unfinished, write_outcomes
from listopd.lab.held_out import HeldOut, held_out, judge
from listopd.lab.lab_decode import greedy
from listopd.lab.lab_figures import step_figures
from listopd.lab.lab_target import positions, separator_confidence, target_curve
from listopd.lab.language import LabAnswers
from listopd.lab.losses import LOSSES
from listopd.lab.network import ROWS
from listopd.lab.options import read_options, read_settings
from listopd.lab.starts import LabStart, split_name, train_starts, with_origins
from listopd.lab.store import (
    ArmState,
    drop_state,
    load_start,
    load_state,
    save_start,
    save_state,
    saved_step,
    stacked,
    weights_digest,
)
from listopd.lab.training import ArmStack, Shape, TrainingSettings

_ON_CPU, _ON_GPU = 16, 512
"""Arms side by side: on a CPU as many as its caches hold."""
_SEVERAL = 4
_TIMED, _TIMES = 4, 3
START = "start"


class LabRunner:
    """Answers `listopd.cliff.arms.Runner`; `options` are those of the study (`listopd.lab.options`).

    `keep` is a folder for the networks that arms begin from: what it lacks is trained, and stays there. Without one
    they are trained anew by each runner; on a CPU the same recipe gives the same bits. `device` is the best there is
    unless it is named. Raises UserError for options that do not fit, and a device that is not there.
    """

    def __init__(self, options: Mapping[str, Any], *, device: str | None = None, keep: Path | None = None) -> None:
        self.folder, self.options = keep, read_options(options)
        self.network = self.options.network()
        self.device = _device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._starts: dict[str, LabStart] = {}

    @cached_property
    def asked(self) -> HeldOut:
        """The held-out prompts."""
        return held_out(self.network.language, self.options.prompts)

    def check(self, arms: Sequence[ArmSpec]) -> None:
        """Raises UserError for an unknown start, method or setting, a cap of 1 or less, and parts that do not fit."""
        for arm in arms:
            for name in (arm.pair.student, arm.pair.teacher, arm.pair.based_on):
                split_name(name)
            if arm.method not in (*LOSSES, START):
                raise UserError(f"the laboratory has no method '{arm.method}'", fix=f"one of {', '.join(LOSSES)}")
            if not arm.cap > 1:
                raise UserError(f"the cap c must be above 1, not {arm.cap:g}", place=arm.part, fix="or null: no cap")
            if arm.batch % _shape(arm).updates:
                cause = f"{arm.batch} rollouts cannot be dealt to {_shape(arm).updates} updates in equal parts"
                raise UserError(cause, place=arm.part, fix="choose a multiple")
            if arm.batch // _shape(arm).updates % ROWS:
                cause = f"{arm.batch // _shape(arm).updates} rollouts an update are no multiple of {ROWS}"
                fix = f"choose one: products of fewer than {ROWS} rows round by where they lie among others"
                raise UserError(cause, place=arm.part, fix=fix)

    def inputs(self, arms: Sequence[ArmSpec]) -> Mapping[str, str]:
        """sha256 of the options and of every start; starts that are not there yet are trained now."""
        found = {"options": self.options.digest()}
        return found | {f"start {name}": weights_digest(start) for name, start in self._of(arms).items()}

    def cost(self, arms: Sequence[ArmSpec]) -> ExpectedCost:
        """From the time that a step of some arms with random weights takes here."""
        total = sum(arm.steps for arm in arms)
        trained = [arm for arm in arms if arm.method != START]
        if not trained:
            return ExpectedCost(0.0, "nothing is trained")
        some = [replace(arm, seed=at) for at, arm in enumerate([trained[0]] * _TIMED)]
        flat = torch.stack([self.network.initial(at) for at in range(len(some))]).to(self.device)
        stack = ArmStack(self.network, _shape(trained[0]), [_training_settings(arm) for arm in some], flat, flat, flat)
        stack.step()
        times = [time.perf_counter()]
        for _ in range(_TIMES):
            stack.step().norm.cpu()
            times.append(time.perf_counter())
        each = min(after - before for before, after in pairwise(times)) / len(some)
        return ExpectedCost(
            each * total, f"a step of {len(some)} arms was timed: {each * 1000:.0f} ms an arm, {self.device}"
        )

    def foretell(self, pair: StudyPair, lams: Sequence[float]) -> PairForecast:
        """The untrained target's outcomes on the held-out prompts, and p and b along right answers to them."""
        names = [pair.teacher, pair.based_on]
        starts = self._named(names)
        teacher, base = (starts[_plain(name)].weights.to(self.device) for name in names)
        outcomes = target_curve(self.network, teacher, base, self.asked, lams)
        sure = [separator_confidence(self.network, flat, self.asked) for flat in (teacher, base)]
        return PairForecast(tuple(lams), tuple(tuple(row) for row in outcomes), positions(*sure))

    def run(self, arms: Sequence[ArmSpec], out: Path, tell: Tell) -> None:
        """Train and evaluate what is not finished; an arm that was cut off goes on from its last saved step."""
        self.check(arms)
        left = unfinished(arms, out)
        tell(0, "starts")
        starts = self._of(left)
        for stack in self._stacks(left, out):
            _Run(self, stack, starts, out, tell).go()

    def _stacks(self, arms: Sequence[ArmSpec], out: Path) -> Iterator[list[ArmSpec]]:
        """Arms that can be trained side by side, in the order in which the first of each kind stands."""
        kinds: dict[Any, list[ArmSpec]] = {}
        for arm in arms:
            begin(out / arm.id, arm)
            kinds.setdefault((_shape(arm), arm.budgets, saved_step(out / arm.id)), []).append(arm)
        width = self.options.side_by_side or (_ON_CPU if self.device.type == "cpu" else _ON_GPU)
        for alike in kinds.values():
            yield from (alike[at : at + width] for at in range(0, len(alike), width))

    def _of(self, arms: Sequence[ArmSpec]) -> dict[str, LabStart]:
        return self._named([name for arm in arms for name in (arm.pair.student, arm.pair.teacher, arm.pair.based_on)])

    def _named(self, names: Sequence[str]) -> dict[str, LabStart]:
        sizes = self.options.network_digest()
        for name in with_origins(names):
            if self.folder and name not in self._starts and (start := load_start(self.folder, name, sizes)):
                self._starts[name] = start
        trained = train_starts(self.network, names, self._starts, self.device)
        for name, start in trained.items():
            if self.folder and name not in self._starts:
                save_start(self.folder, name, start, sizes)
        self._starts |= trained
        return trained


class _Run:
    """One set of arms, from where they stand to their end."""

    def __init__(
        self, runner: LabRunner, arms: Sequence[ArmSpec], starts: Mapping[str, LabStart], out: Path, tell: Tell
    ) -> None:
        self.runner, self.arms, self.starts, self.tell = runner, arms, starts, tell
        self.folders = [out / arm.id for arm in arms]
        self.stack = ArmStack(
            runner.network,
            _shape(arms[0]),
            [_training_settings(arm) for arm in arms],
            *(self._weights(names) for names in zip(*map(_names, arms), strict=True)),
        )
        self.done = self._resume()

    def _weights(self, names: Sequence[str]) -> Tensor:
        return torch.stack([self.starts[_plain(name)].weights for name in names]).to(self.runner.device)

    def _resume(self) -> int:
        states = [state for folder in self.folders if (state := load_state(folder))]
        if not states:
            return 0
        adam, device = self.stack.adam, self.runner.device
        adam.flat, adam.first, adam.second = (values.to(device) for values in stacked(states))
        adam.failed = torch.tensor([state.failed for state in states], device=device)
        adam.steps = states[0].step * self.stack.shape.updates
        return states[0].step

    def go(self) -> None:
        """Train to the last budget, evaluate at each, finish."""
        options, last = self.runner.options, self.arms[0].steps
        words = f"{self.arms[0].part}, {self.arms[0].method}: {len(self.arms)} arms side by side"
        self._reached(words)
        while self.done < last:
            step = self.stack.step()
            self.done += 1
            if self.done % options.log_every in (0, 1) or self.done == last:
                self._log(step_figures(self.runner.network.language, step))
            self.tell(len(self.arms), f"{words}, step {self.done}/{last}")
            self._reached(words)
        for arm, folder, failed in zip(self.arms, self.folders, self.stack.adam.failed.tolist(), strict=True):
            finish(folder, arm, self._manifest(arm, failed))
            drop_state(folder)

    def _reached(self, words: str) -> None:
        due = self.done in self.arms[0].budgets
        if due:
            self.tell(0, f"{words}, evaluation after {self.done} steps")
            self._evaluate()
        if self.done and (due or self.done % self.runner.options.save_every == 0):
            self._save()

    def _evaluate(self) -> None:
        asked, network = self.runner.asked, self.runner.network
        weights = self.stack.weights
        answers = greedy(network, weights, asked.prompts.tokens.to(weights.device).expand(len(weights), -1, -1))
        for folder, tokens, mask in zip(self.folders, answers.tokens.cpu(), answers.mask.cpu(), strict=True):
            write_outcomes(folder, self.done, judge(network.language, asked, LabAnswers(tokens, mask)))

    def _log(self, lines: list[dict[str, Any]]) -> None:
        for folder, line in zip(self.folders, lines, strict=True):
            with log_file(folder).open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": self.done} | line) + "\n")

    def _save(self) -> None:
        adam = self.stack.adam
        columns = (adam.failed.cpu(), adam.flat.cpu(), adam.first.cpu(), adam.second.cpu())
        for folder, failed, *tensors in zip(self.folders, *columns, strict=True):
            save_state(folder, ArmState(self.done, int(failed), *tensors))

    def _manifest(self, arm: ArmSpec, failed: int) -> dict[str, Any]:
        starts = {
            name: self.starts[_plain(name)].measured._asdict() | {"sha256": weights_digest(self.starts[_plain(name)])}
            for name in dict.fromkeys(_names(arm))
        }
        return {
            "runner": "lab",
            "options": self.runner.options.model_dump(),
            "starts": starts,
            "updates_not_finite": failed,
            "device": _device_words(self.runner.device),
            "torch": torch.__version__,
            "python": platform.python_version(),
        }


def _names(arm: ArmSpec) -> tuple[str, str, str]:
    return arm.pair.student, arm.pair.teacher, arm.pair.based_on


def _plain(name: str) -> str:
    """A start's shortest name: NAME@0 is NAME."""
    return with_origins([name])[-1]


def _training_settings(arm: ArmSpec) -> TrainingSettings:
    return TrainingSettings(arm.lam, arm.cap, arm.lr, arm.seed)


def _shape(arm: ArmSpec) -> Shape:
    updates = read_settings(arm.settings).updates or (_SEVERAL if arm.method in ("aspo", "ppo") else 1)
    return Shape(arm.method, arm.batch, updates)


def _device(name: str) -> torch.device:
    """Raises UserError for a device that is not there. Products are whole float32 ones, never TF32."""
    torch.set_float32_matmul_precision("highest")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"'{name}' is no device", place="device", fix="cpu or cuda") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError("torch finds no CUDA device", place="device", fix="use cpu")
    return device


def _device_words(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu ({platform.machine()})"
