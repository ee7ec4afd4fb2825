"""`listeval cliff` from plan to verify, with a runner whose curve is known in the laboratory's place."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from listeval.cli.main import main
from tests.listopd.cliff.toy import Toy, falls_at, stays

STUDY = {
    "name": "small",
    "runner": {"kind": "lab"},
    "pairs": {"flip": {"student": "sharp", "teacher": "flip"}},
    "parts": {
        "P": {
            "pairs": ["flip"],
            "lams": [1.0, 1.1, 1.15, 1.2, 1.3],
            "lrs": [5e-4],
            "seeds": [0, 1, 2],
            "budgets": [2],
        }
    },
    "predictions": [{"id": "where", "says": "it flips", "kind": "midpoint", "of": {"part": "P"}, "at": "curve"}],
    "draws": 200,
}


@pytest.fixture
def cliff(tmp_path, monkeypatch, capsys):
    """Run `listeval cliff ...` in a folder with study.yaml; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(yaml.safe_dump(STUDY))
    lab = ModuleType("listopd.lab.runner")
    lab.curve = falls_at(1.15, 0.01)
    lab.LabRunner = lambda options, device, keep: Toy(lab.curve)
    monkeypatch.setitem(sys.modules, "listopd.lab", ModuleType("listopd.lab"))
    monkeypatch.setitem(sys.modules, "listopd.lab.runner", lab)

    def call(*args):
        with pytest.raises(SystemExit) as stopped:
            main(["cliff", *args])
        said = capsys.readouterr()
        return int(stopped.value.code or 0), said.out, said.err

    call.lab = lab
    return call


def test_the_way_from_plan_to_a_hit(cliff):
    assert cliff("plan", "study.yaml")[0] == 0
    assert not Path("runs").exists()
    code, out, _ = cliff("lock", "study.yaml", "--json")
    assert code == 0
    made = json.loads(out)
    assert list(made["numbers"]) == ["where"]
    code, out, err = cliff("sweep", "study.yaml")
    assert (code, "15 arms are finished, 15 of them now" in out) == (0, True)
    assert "30/30 arm-steps" in err
    code, out, _ = cliff("verify", "study.yaml")
    assert code == 0
    assert "where: HIT - it flips" in out
    code, out, _ = cliff("verify", "study.yaml", "--json")
    found = json.loads(out)
    assert found["lock"] == made["seal"]
    assert [one["verdict"] for one in found["findings"]] == ["hit"]


def test_a_missed_prediction_is_exit_code_4(cliff):
    cliff.lab.curve = stays(0.97)
    for verb in ("lock", "sweep"):
        assert cliff(verb, "study.yaml", "--quiet")[0] == 0
    code, out, err = cliff("verify", "study.yaml")
    assert (code, "where: MISSED" in out, err) == (4, True, "")


def test_a_changed_study_is_refused_by_sweep_verify_and_report(cliff):
    assert cliff("lock", "study.yaml", "--quiet")[0] == 0
    Path("study.yaml").write_text(yaml.safe_dump(STUDY | {"draws": 300}))
    for verb in ("sweep", "verify", "report"):
        code, out, err = cliff(verb, "study.yaml")
        assert (code, out) == (2, "")
        assert "the study was altered after it was locked" in err
        assert err.count("\n") == 1


def test_a_sweep_before_the_lock_and_a_lock_after_a_sweep_are_refused(cliff):
    assert cliff("sweep", "study.yaml")[0] == 2
    assert cliff("lock", "study.yaml", "--quiet")[0] == 0
    assert cliff("sweep", "study.yaml", "--quiet")[0] == 0
    Path("runs/small/lock.json").unlink()
    code, _, err = cliff("lock", "study.yaml")
    assert (code, "arms have begun" in err) == (2, True)


def test_a_launcher_needs_the_user_s_word(cliff):
    runner = {"kind": "recipes", "recipe": "tiny", "launcher": ["touch", "launched"]}
    Path("study.yaml").write_text(yaml.safe_dump(STUDY | {"runner": runner}))
    code, _, err = cliff("plan", "study.yaml")
    assert (code, "start 'touch launched'" in err, Path("launched").exists()) == (2, True, False)
