"""The runner of ordinary recipes on checkpoints: a training process an arm, then `listeval run` for every budget."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from listeval.errors import UserError
from listopd.cliff.arms import ArmSpec, ExpectedCost, PairForecast, StudyPair, Tell
from listopd.cliff.processes import work_off
from listopd.cliff.recipe_changes import changes_of, study_recipe
from listopd.cliff.recipe_job import Job
from listopd.cliff.study import RecipeRunnerSpec
from listopd.recipe import Recipe, read_recipe

if TYPE_CHECKING:
    from listeval.task import Task


class RecipeRunner:
    """`jobs` arms at a time; on CUDA each of several jobs sees one device of its own."""

    def __init__(self, spec: RecipeRunnerSpec, *, device: str | None = None, jobs: int = 1, place: str = "") -> None:
        self.spec, self.device, self.jobs, self.place = spec, device, jobs, place

    def recipe(self, arm: ArmSpec) -> Recipe:
        """The recipe that trains an arm. Raises UserError where the arm's values do not fit it."""
        return read_recipe(self.spec.recipe, changes_of(arm, self.spec))

    def check(self, arms: Sequence[ArmSpec]) -> None:
        """Every arm's recipe is read and validated, and the evaluation's task made."""
        for arm in arms:
            recipe = self.recipe(arm)
            if arm.steps and arm.budgets[:-1] and recipe.opd and recipe.opd.optimiser.schedule != "constant":
                cause = "with a schedule the first steps of a long training are not a short training"
                raise UserError(cause, place=self.place, fix="one budget a part, or opd.optimiser.schedule: constant")
        self.task()

    def task(self) -> Task:
        """The evaluation's task."""
        from listeval.plugins.open import make_task

        recipe, asked = study_recipe(self.spec), self.spec.evaluation
        return make_task(asked.task or recipe.task, {**recipe.options, **asked.options})

    def inputs(self, arms: Sequence[ArmSpec]) -> Mapping[str, str]:
        """Fingerprints of the recipe, the checkpoints, and the data and task code of training and evaluation."""
        from listeval.backends.protocol import BackendOptions
        from listeval.models.checkpoint import open_checkpoint
        from listeval.plugins.open import load
        from listopd.questions import training_task

        recipe = study_recipe(self.spec)
        found = {
            name: _digest(one.model_dump(mode="json")) for name, one in (("recipe", recipe), ("runner", self.spec))
        }
        for name in sorted({name for arm in arms for name in (arm.pair.student, arm.pair.teacher, arm.pair.based_on)}):
            found[f"model {name}"] = open_checkpoint(name, BackendOptions()).info.fingerprint
        found["training data"] = load(training_task(recipe), recipe.data, recipe.data_seed).fingerprint
        task, asked = self.task(), self.spec.evaluation
        for seed in asked.seeds:
            found[f"held-out data {seed}"] = load(task, asked.data, seed).fingerprint
        return found | {"task code": task.code}

    def cost(self, arms: Sequence[ArmSpec]) -> ExpectedCost:
        """Not known before the first arm has run: it hangs on the checkpoints and the machine."""
        return ExpectedCost(
            math.nan, "each arm is a training of its own; the sweep says what is left once the first steps ran"
        )

    def foretell(self, pair: StudyPair, lams: Sequence[float]) -> PairForecast:
        """The target curve over the held-out prompts, and p and b of the structural steps."""
        from listopd.cliff.recipe_forecast import foretell

        return foretell(self.spec, pair, lams, self.device)

    def run(self, arms: Sequence[ArmSpec], out: Path, tell: Tell) -> None:
        """Train and evaluate. An arm that was interrupted goes on from its last state."""
        work_off([self.job(arm, out / arm.id) for arm in arms], self.jobs, tell, cuda="cuda" in (self.device or ""))

    def job(self, arm: ArmSpec, folder: Path) -> Job:
        """What is left to do for one arm, as command lines."""
        return Job(self.spec, self.recipe(arm), arm, folder, self.device)


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
