"""One arm of a recipe study: which command comes next is read off its directory, so a kill costs no finished one.

train/           the training's run directory
eval-000042/     the run of `listeval run` on the checkpoint after 42 steps
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from listeval.disk import read_regular, write_atomic
from listeval.errors import first_line
from listeval.runs.rows import Row, unit
from listeval.runs.store import load_run
from listopd.cliff.arms import ArmSpec
from listopd.cliff.recipe_changes import changes_of
from listopd.cliff.records import AnswerOutcome, begin, finish, log_file, read_log, write_outcomes
from listopd.cliff.study import RecipeRunnerSpec
from listopd.journal import has_state
from listopd.networks import told_thinking
from listopd.recipe import Recipe

_SHORT = 400
"""Characters of a failed answer that are kept beside its kind."""


class Job:
    """What is left of one arm."""

    def __init__(self, spec: RecipeRunnerSpec, recipe: Recipe, arm: ArmSpec, folder: Path, device: str | None) -> None:
        self.spec, self.recipe, self.arm, self.folder, self.device = spec, recipe, arm, folder, device
        self.train = folder / "train"
        self.words = arm.id
        """What is being done."""
        self._said = len(read_log(self.train))

    def begin(self) -> None:
        """Raises UserError where the directory stands for another arm."""
        begin(self.folder, self.arm)

    def next(self) -> list[str] | None:
        """The next command; None once the arm is finished, which is noted.

        Raises UserError where an evaluation cannot be read.
        """
        if self.arm.steps and not (self.train / "checkpoint").is_dir():
            return self._training()
        for budget in self.arm.budgets:
            told = outcomes_of(self._evaluated(budget))
            if told is None:
                return self._evaluation(budget)
            write_outcomes(self.folder, budget, told)
        write_atomic(log_file(self.folder), "".join(json.dumps(x) + "\n" for x in read_log(self.train)).encode())
        finish(self.folder, self.arm, self._manifest())
        return None

    def steps(self) -> int:
        """Arm-steps done since this was last asked."""
        now = len(read_log(self.train))
        # A resume cuts the steps after the state.
        new, self._said = max(0, now - self._said), now
        return new

    def _training(self) -> list[str]:
        self.words = f"training {self.arm.id}"
        if has_state(self.train):
            resume = ["--resume"]
        else:
            # Nothing to go on from: what a kill left is no state.
            shutil.rmtree(self.train, ignore_errors=True)
            resume = []
        launcher = list(self.spec.launcher) or [sys.executable]
        changes = changes_of(self.arm, self.spec)
        changes += [] if self.device is None else [f"precision.device={self.device}"]
        told = [self.spec.recipe, *changes, "--out", str(self.train), "--quiet", "--trust"]
        return [*launcher, "-m", "listeval", "train", "opd", *told, *resume]

    def _evaluation(self, budget: int) -> list[str]:
        self.words = f"evaluating {self.arm.id} after {budget} steps"
        asked = self.spec.evaluation
        options = {**self.recipe.options, **asked.options}
        given: dict[str, Any] = {
            "--task": asked.task or self.recipe.task,
            "--model": str(self._checkpoint(budget)),
            "--backend": asked.backend,
            "--out": str(self._evaluated(budget)),
            "--seeds": ",".join(map(str, asked.seeds)),
            "--data": asked.data,
            "--limit": asked.limit,
            "--max-tokens": asked.max_tokens,
            "--batch-size": asked.batch_size,
            "--device": self.device,
        }
        flags = [word for name, value in given.items() if value is not None for word in (name, str(value))]
        settings = [word for name, value in options.items() for word in ("--set", f"{name}={json.dumps(value)}")]
        told = told_thinking(self.arm.pair.student, self.recipe.thinking)
        thinking = {None: [], True: ["--thinking"], False: ["--no-thinking"]}[told]
        return [sys.executable, "-m", "listeval", "run", *flags, *settings, *thinking, "--quiet"]

    def _checkpoint(self, budget: int) -> str | Path:
        if not self.arm.steps:
            return self.arm.pair.student
        last = budget == self.arm.steps
        return self.train / "checkpoint" if last else self.train / "checkpoints" / f"step-{budget:06d}"

    def _evaluated(self, budget: int) -> Path:
        return self.folder / f"eval-{budget:06d}"

    def _manifest(self) -> dict[str, Any]:
        """Which manifests hold what the numbers depend on, with their sha256."""
        files = [self._evaluated(budget) / "manifest.json" for budget in self.arm.budgets]
        files += [self.train / "manifest.json"] if self.arm.steps else []
        named = {str(file.relative_to(self.folder)): sha256(file.read_bytes()).hexdigest() for file in files}
        return {"runner": "recipes", "manifests": named}


def outcomes_of(run: Path) -> list[AnswerOutcome] | None:
    """The answers of an evaluation; None where it is not finished, or an engine owes some.

    Raises UserError where the run is damaged.
    """
    if not (run / "metrics.json").is_file():
        return None
    found = load_run(run)
    if any(row["outcome"] == "error" for row in found.rows):
        return None
    metric = _useful(run)
    return [_outcome(row, metric) for row in found.rows]


def _useful(run: Path) -> str | None:
    """The task's metric that counts a failure as zero, by the run's manifest; None without one."""
    metrics = json.loads(read_regular(run / "manifest.json"))["task"]["metrics"]
    return next((str(metric["name"]) for metric in metrics if metric.get("useful")), None)


def _outcome(row: Row, metric: str | None) -> AnswerOutcome:
    parsed = row["kind"] == "ok"
    value = row["scores"].get(metric) if metric is not None else None
    useful = None if row["outcome"] != "scored" or metric is None else value if parsed else 0.0
    fmc = row["kind"] == "missing_id" and row["missing"] == 1
    prompt = f"{row['example']} {row['seed']}"
    cluster, said = unit(row["cluster"], row["example"]), "" if parsed else row["text"][:_SHORT]
    return AnswerOutcome(prompt, row["kind"], fmc, useful, cluster, said)


def last_words(file: Path) -> str:
    """The last line that a process wrote."""
    try:
        lines: Sequence[str] = file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError as error:
        return first_line(error)
    return lines[-1].removeprefix("listeval: ") if lines else "it said nothing"
