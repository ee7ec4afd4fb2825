"""Configuration files: every key is documented as it is, and `backend: null` names the engine of that name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from listeval.cli.config_page import page
from listeval.cli.main import main
from listeval.cli.run import parse_setting
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
        ("c.yaml", "defaults: &d\n  backend: null\nconfig:\n  <<: *d\n  task: t\n", "null"),
        ("c.yaml", "<<: {backend: null}\ntask: t\n", "null"),
        ("c.yaml", "<<: [{task: t}, {backend: null}]\n", "null"),
        ("c.yaml", "<<: {backend: null}\nbackend: hf\n", "hf"),
        ("c.yaml", "<<: {backend: hf}\nbackend: null\n", "null"),
        ("c.yaml", "<<: {config: {<<: {backend: null}}}\n", "null"),
        ("c.yaml", "<<: {<<: {backend: null}}\n", "null"),
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


NO_MAPPING = ["3", "0", "false", "[]", "[a]", "'x'", "''", "{1: 2}"]


def refusal(capsys, *line):
    """The one line that a command says instead of running."""
    with pytest.raises(SystemExit) as done:
        main(["run", "@c.yaml", "--quiet", *line])
    out, err = capsys.readouterr()
    assert (done.value.code, out, err.count("\n"), err[:10]) == (2, "", 1, "listeval: ")
    return err


@pytest.mark.parametrize("value", NO_MAPPING)
@pytest.mark.parametrize("name", ["options", "chat_template_arg", "engine_arg"])
@pytest.mark.parametrize("typed", [True, False])
def test_what_should_be_a_mapping_and_is_none_is_refused(tmp_path, capsys, monkeypatch, name, value, typed):
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(f"task: fashion\nbackend: null\n{name}: {value}\n")
    flag = "--set" if name == "options" else f"--{name.replace('_', '-')}"
    said = refusal(capsys, *([flag, "k=4"] if typed else []))
    assert f"--{name.replace('_', '-')}" in said and "c.yaml" in said and "Fix: " in said
    assert not Path("runs").exists()


@pytest.mark.parametrize("value", ["", "~", "{}"])
def test_a_mapping_that_is_not_given_takes_what_is_typed(tmp_path, capsys, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(f"task: fashion\nbackend: null\nlimit: 2\nout: run\noptions: {value}\n")
    with pytest.raises(SystemExit) as done:
        main(["run", "@c.yaml", "--json", "--quiet", "--set", "k=4"])
    assert done.value.code == 0
    assert json.loads(Path("run/manifest.json").read_text())["config"]["options"] == {"k": 4}


@pytest.mark.parametrize(
    "line",
    [
        "options: &a {x: *a}", "options: {k: &b [1, *b]}", "samples: &s [*s]", "k: !!bool x", "k: !!timestamp x",
        "k: 2024-99-99", "k: 0b_", f"options: {'[' * 2000}", "<<: 3", f"options: {'{a: ' * 150}1{'}' * 150}",
    ],
)  # fmt: skip
def test_what_is_no_tree_of_plain_values_is_refused(tmp_path, capsys, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(f"task: fashion\nbackend: null\n{line}\n")
    said = refusal(capsys)
    assert "c.yaml" in said or "--set" in said


@pytest.mark.parametrize("depth", [300, 600, 900])
def test_json_that_nests_too_deep_is_refused(tmp_path, capsys, monkeypatch, depth):
    monkeypatch.chdir(tmp_path)
    deep = '{"a": ' * depth + "1" + "}" * depth
    Path("c.json").write_text(f'{{"task": "fashion", "backend": "null", "options": {deep}}}')
    with pytest.raises(SystemExit) as done:
        main(["run", "@c.json", "--quiet"])
    assert done.value.code == 2
    assert "too deep (c.json)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "value", ["&a [*a]", "&a {b: *a}", "2024-99-99", "!!bool x", "!!timestamp x", "0b_", "[" * 2000]
)
def test_a_setting_that_yaml_cannot_say_is_the_text_itself(value):
    assert parse_setting(f"k={value}") == ("k", value)


@pytest.mark.parametrize("name", ["task", "model", "data", "tokenizer", "out", "adapter", "base_url", "device"])
@pytest.mark.parametrize("backend", ["null", "replay", "hf"])
def test_a_name_with_a_nul_is_refused(tmp_path, capsys, monkeypatch, backend, name):
    monkeypatch.chdir(tmp_path)
    values = {"task": "fashion", "model": "m", "backend": backend, name: "a\0b"}
    Path("c.yaml").write_text(json.dumps(values))
    said = refusal(capsys)
    assert f"holds a NUL (c.yaml, --{name.replace('_', '-')})" in said
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


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
