"""The runner that a study names; torch is imported only when one is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from listopd.cliff.study import LabRunner, StudyFile

if TYPE_CHECKING:
    from listopd.cliff.arms import Runner


def make_runner(file: StudyFile, *, device: str | None = None, jobs: int = 1, keep: Path | None = None) -> Runner:
    """The runner of a study; `jobs` arms at a time where each is a process, and `keep` a folder for what is made once.

    Raises UserError for options that the runner does not know, and for packages that are not installed.
    """
    spec = file.study.runner
    if isinstance(spec, LabRunner):
        from listopd.lab.runner import LabRunner as Laboratory

        laboratory: Runner = Laboratory(spec.options, device=device, keep=keep)
        return laboratory
    from listopd.cliff.recipes import Recipes

    return Recipes(spec, device=device, jobs=jobs, place=str(file.path))
