"""Configuration files: every key is documented as it is, and `backend: null` names the engine of that name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from listeval.cli.config_page import page
from listeval.cli.main import main
from listeval.errors import UserError, placed
from listeval.runs import RunConfig
from listeval.runs.config_file import read_config

DOCS = Path(__file__).resolve().parents[2] / "docs" / "config.md"


def test_the_page_in_docs_is_the_one_that_the_configuration_makes():
    assert DOCS.read_text() == page(), "run: python -m listeval.cli.config_page > docs/config.md"
    assert all(f"| `{name}` |" in page() for name in RunConfig.model_fields)


def test_the_page_s_example_is_a_configuration():
    example = DOCS.read_text().split("```yaml\n")[1].split("```")[0]
    assert RunConfig(**yaml.safe_load(example)).resolved(64, "hf").reask == "explain"


@pytest.mark.parametrize(
    ("name", "text", "backend"),
    [
        ("c.yaml", "task: t\nbackend: null\n", "null"),
        ("c.yaml", "task: t\nbackend: Null # none\n", "null"),
        ("c.yaml", "{task: t, backend: null}", "null"),
        ("c.yaml", "'backend': null", "null"),
        ("c.yaml", "config:\n  task: t\n  backend: null\n", "null"),
        ("c.yaml", "backend: 'null'", "null"),
        ("c.yaml", "backend:\ntask: t\n", None),
        ("c.yaml", "backend: ~\ntask: t\n", None),
        ("c.yaml", "backend: hf\nmodel: null\n", "hf"),
        ("c.yaml", "task: 'backend: null'\nbackend:\n", None),
        ("c.json", '{"task": "t", "backend": null}', "null"),
        ("c.json", '{\n\t"task": "t",\n\t"backend": null\n}', "null"),
        ("c.json", '{"task": "t", "backend": "hf"}', "hf"),
    ],
)
def test_null_written_out_names_the_null_engine(tmp_path, name, text, backend):
    file = tmp_path / name
    file.write_text(text)
    assert read_config(file).get("backend") == backend


@pytest.mark.parametrize("seeds", ["1", "[1]", "'1'", "'1,'"])
def test_a_file_runs_with_a_single_seed_however_it_is_written(tmp_path, capsys, monkeypatch, seeds):
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(f"task: fashion\nbackend: null\nlimit: 2\nseeds: {seeds}\nout: run\n")
    with pytest.raises(SystemExit) as done:
        main(["run", "@c.yaml", "--json", "--quiet"])
    assert done.value.code == 0
    assert json.loads(capsys.readouterr().out)["backend"] == "null"
    assert json.loads(Path("run/manifest.json").read_text())["config"]["seeds"] == [1]


@pytest.mark.parametrize(
    ("named", "typed", "place"),
    [
        ("", (), "runs/a"),
        ("--task", (), "runs/a, --task"),
        ("--task", ("--task",), "--task"),
        ("--set labels=x", ("--task",), "runs/a, --set labels=x"),
        ("data.jsonl:3", (), "data.jsonl:3"),
    ],
)
def test_a_flag_that_nobody_typed_has_its_file_before_it(named, typed, place):
    with pytest.raises(UserError) as raised, placed("runs/a", typed):
        raise UserError("wrong", place=named, fix="right it")
    assert raised.value.place == place
