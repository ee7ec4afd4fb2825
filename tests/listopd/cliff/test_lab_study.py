"""A study of the laboratory, from plan to report, by the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml

pytest.importorskip("listopd.lab.runner", reason="needs the laboratory and torch")

STUDY = {
    "name": "lab",
    "runner": {"kind": "lab", "options": {"prompts": 30, "save_every": 2}},
    "pairs": {"flip": {"student": "S_sharp", "teacher": "T_flip", "size": "0.02 M"}},
    "parts": {
        "P": {
            "pairs": ["flip"], "methods": ["listopd", "start"], "lams": [1, 1.2, 1.6], "lrs": [5e-4],
            "seeds": [0, 1], "budgets": [2, 4],
        }
    },
    "predictions": [
        {"id": "where", "kind": "midpoint", "of": {"part": "P"}, "at": "curve"},
        {"id": "tabular", "kind": "tabular", "cases": [[0.99, 0.8, 5]]},
    ],
    "draws": 200,
}  # fmt: skip


def cliff(folder, *args):
    command = [sys.executable, "-m", "listeval", "cliff", *args, "study.yaml", "--out", "out"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_four_steps_of_the_flip_from_plan_to_report(tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    for verb in ("plan", "lock", "sweep"):
        done = cliff(tmp_path, verb)
        assert done.returncode == 0, done.stderr
    again = cliff(tmp_path, "sweep", "--json")
    assert json.loads(again.stdout)["finished_now"] == 0
    verified = cliff(tmp_path, "verify", "--json")
    found = {one["id"]: one["verdict"] for one in json.loads(verified.stdout)["findings"]}
    # Four steps move nothing, so the flip is not there yet; what the two-token position does needs no arms.
    assert found["tabular"] == "hit"
    assert found["where"] in ("missed", "not decidable")
    assert verified.returncode == (4 if found["where"] == "missed" else 0)
    assert cliff(tmp_path, "report").returncode == 0
    text = (tmp_path / "out" / "report.md").read_text()
    assert "parse at the start" in text
