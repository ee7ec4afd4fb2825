"""A training that is killed anywhere goes on to the very weights that it would have had."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

import yaml

from tests.listopd.conftest import TASKS
from tests.listopd.tiny import save, tiny_tokenizer

BY_OPERATION, BY_TIME = 24, 12


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_anywhere_costs_no_step_that_was_saved(tmp_path):
    student, teacher = (str(save(tmp_path / f"model{seed}", tiny_tokenizer(), seed=seed)) for seed in (0, 1))
    section = {
        "student": student, "teacher": teacher, "steps": 3, "batch": 2, "max_tokens": 4, "optimiser": {"lr": 1e-2},
        "extrapolation": {"kind": "guarded", "value": 1.2},
    }  # fmt: skip
    file = tmp_path / "recipe.yaml"
    shared = {"task": "pairs", "save_every": 1, "keep_every": 2, "precision": {"save": "float32"}}
    file.write_text(yaml.safe_dump({**shared, "opd": section}))
    root = Path(__file__).parents[2]
    paths = {"PYTHONPATH": f"{root}:{root / 'training'}", "LISTEVAL_PATH": str(TASKS), "OMP_NUM_THREADS": "1"}
    driver = [sys.executable, str(Path(__file__).with_name("train_kills.py"))]
    command = [*driver, str(file), str(tmp_path), str(BY_OPERATION), str(BY_TIME)]
    done = subprocess.run(command, env=os.environ | paths, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(found) == BY_OPERATION + BY_TIME
    assert "Traceback" not in done.stderr
    assert [kill for kill in found if not kill["same"] or kill["left"]] == []
    assert sum(kill["killed"] for kill in found) >= BY_OPERATION - 1
    assert sum(kill["resumed"] for kill in found) >= BY_OPERATION // 3, "kills come before and after the first state"
