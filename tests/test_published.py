"""Published studies: per-step logs stand in one packed file a study, and every one can be read as its README says."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

PUBLISHED = Path(__file__).parents[1] / "reports" / "published"
ARCHIVES = sorted(PUBLISHED.glob("*/logs.tar.gz"))


def test_no_log_lies_loose():
    assert [path.name for path in PUBLISHED.rglob("*.log.jsonl")] == []


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.parent.name)
def test_every_training_has_the_log_of_each_of_its_steps(archive):
    with tarfile.open(archive) as packed:
        logs = {entry.name: [json.loads(line)["step"] for line in packed.extractfile(entry) or ()] for entry in packed}
    assert all(steps == list(range(1, len(steps) + 1)) for steps in logs.values())
    study = archive.parent
    manifests = [*study.glob("**/training/*.manifest.json")]
    assert manifests
    for manifest in manifests:
        log = manifest.relative_to(study).as_posix().replace(".manifest.json", ".log.jsonl")
        assert len(logs.pop(log)) == json.loads(manifest.read_text())["steps"], log
    # What is left are trials, which kept no manifest but their recipe.
    assert [name for name in logs if not (study / name.replace(".log.jsonl", ".recipe.yaml")).is_file()] == []


def test_the_study_of_the_shipped_checkpoints_has_logs():
    assert "2026-11-22-tiny-listopd" in [path.parent.name for path in ARCHIVES]
