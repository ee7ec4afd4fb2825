"""The runner that a study names; torch is imported only when one is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from listeval.models.cpu import keep_memory, wait_passively
from listopd.cliff.study import LabRunnerSpec, StudyFile

if TYPE_CHECKING:
    from listopd.cliff.arms import Runner


def make_runner(file: StudyFile, *, device: str | None = None, jobs: int = 1, keep: Path | None = None) -> Runner:
    """The runner of a study; `jobs` arms at a time where each is a process, and `keep` a folder for what is made once.

    Raises UserError for options that the runner does not know, and for packages that are not installed.
    """
    spec = file.study.runner
    if isinstance(spec, LabRunnerSpec):
        wait_passively()
        keep_memory()
        from listopd.lab.runner import LabRunner

        laboratory: Runner = LabRunner(spec.options, device=device, keep=keep)
        return laboratory
    from listopd.cliff.recipe_runner import RecipeRunner

    return RecipeRunner(spec, device=device, jobs=jobs, place=str(file.path))
