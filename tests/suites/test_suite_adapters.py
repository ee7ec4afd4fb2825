"""Adapters as an axis of a suite: one load of the base for all of them, with and without a constraint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="an adapter is put on a model")
pytest.importorskip("peft", reason="an adapter is put on a model")

from listeval import load_run
from listeval.errors import UserError
from listeval.suites.expand import expand
from listeval.suites.file import read_suite
from tests.runs.test_run_adapters import BASE, adapters, loads, said, texts

__all__ = ["adapters", "loads"]


def suite(folder: Path, lines: str) -> Path:
    file = folder / "s.yaml"
    file.write_text(f"tasks: [fashion]\nbackend: hf\nlimit: 2\nmax_tokens: 40\n{lines}")
    return file


def test_adapters_and_constraints_share_one_load(
    adapters: list[str], loads: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = json.dumps(["none", adapters[0], {"adapter": adapters[1], "name": "sea"}])
    file = suite(tmp_path, f"models: [tiny-sft]\nadapters: {told}\nconstraints: [none, permutation]\n")
    assert said("suite", str(file), "--out", str(tmp_path / "o"), "--quiet", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    names = [run["name"] for run in found["runs"]]
    assert names == [
        f"fashion_tiny-sft{adapter}_{way}" for adapter in ("", "_red", "_sea") for way in ("none", "permutation")
    ]
    assert loads == [BASE]
    runs = {name: load_run(tmp_path / "o" / name) for name in names}
    assert len({run.manifest.identity_hash for run in runs.values()}) == 6
    free = [texts(run.path) for name, run in runs.items() if name.endswith("_none")]
    assert free[0] != free[1] != free[2] != free[0], "each adapter shows"
    assert found["comparisons"][0]["name"] == "fashion"
    # The same command again: every run is complete, and nothing is loaded.
    assert said("suite", str(file), "--out", str(tmp_path / "o"), "--quiet") == 0
    assert loads == [BASE]


def test_an_adapter_of_another_model_fails_alone(
    adapters: list[str], loads: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = json.dumps(["none", adapters[0]])
    file = suite(tmp_path, f"models: [tiny-listopd]\nadapters: {told}\n")
    assert said("suite", str(file), "--out", str(tmp_path / "o"), "--quiet", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert [run["name"] for run in found["runs"]] == ["fashion_tiny-listopd_none"]
    [failed] = found["failed"]
    assert failed["name"] == "fashion_tiny-listopd_red_none"
    assert "was trained on" in failed["error"]


def test_a_wrong_adapter_is_said_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"s\.yaml:6\).*"):
        read_suite(suite(tmp_path, "models: [tiny-sft]\nadapters: [3]\n"))
    runs = expand(
        read_suite(suite(tmp_path, "models: [tiny-sft]\nadapters: [a/b, {adapter: c, name: d}]\n")), {}, tmp_path
    )
    assert [(run.name, run.config.adapter) for run in runs] == [
        ("fashion_tiny-sft_b_none", "a/b"),
        ("fashion_tiny-sft_d_none", "c"),
    ]
