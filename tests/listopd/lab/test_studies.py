"""The studies that ship name starts, parts and claims that exist, and ask what can be answered."""

from pathlib import Path

import pytest

from listopd.cliff.study import StudyFile
from listopd.lab.runner import LabRunner

STUDIES = sorted((Path(__file__).parents[3] / "training/recipes/cliff").glob("lab*.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_can_be_run(path):
    file = StudyFile(path)
    LabRunner(file.study.runner.options, device="cpu").check(file.arms)
    assert {claim.id for claim in file.study.predictions}
    for name, part in file.study.parts.items():
        if name != "controls":
            assert len(part.seeds) >= 5, f"{name} bears claims"
