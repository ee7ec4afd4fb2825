"""What several entries of a suite say of one run: names win singly, and the settings that name a run stay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from listeval.cli.main import main
from listeval.runs import RunConfig
from listeval.suites.expand import expand
from listeval.suites.file import read_suite

SOURCES = ("common", "tasks", "models", "adapters", "constraints")
"""A later one wins."""
JOINED = [
    name
    for name, field in RunConfig.model_fields.items()
    if any(getattr(part, "__origin__", part) is dict for part in (field.annotation, *get_args(field.annotation)))
    and name != "places"
]


def written(folder: Path, told: dict[str, dict[str, Any]], **more: Any) -> Path:
    """A suite of one run whose entries say `told`, by source."""
    file = folder / "s.yaml"
    axes = {
        "tasks": [{"task": "fashion", **told.get("tasks", {})}],
        "models": [{"model": "m", **told.get("models", {})}],
        "adapters": [{"adapter": "none", **told.get("adapters", {})}],
        "constraints": [{"constraint": "none", **told.get("constraints", {})}],
    }
    file.write_text(json.dumps({**axes, **told.get("common", {}), **more}))
    return file


def one(file: Path) -> RunConfig:
    [run] = expand(read_suite(file), {}, Path("out"))
    return run.config


def test_what_holds_names_with_values():
    assert JOINED == ["options", "chat_template_arg", "engine_arg"]


NAMES = st.dictionaries(st.sampled_from(["a", "b", "c_d"]), st.integers(0, 9), min_size=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.sampled_from(JOINED),
    told=st.dictionaries(st.sampled_from(SOURCES), NAMES),
    chosen=st.dictionaries(st.sampled_from(["a", "z"]), st.integers(10, 19)),
)
def test_every_name_has_the_value_of_the_last_entry_that_gives_it(tmp_path, key, told, chosen):
    file = written(
        tmp_path, {source: {key: names} for source, names in told.items()}, settings={n: [v] for n, v in chosen.items()}
    )
    config = one(file)
    wanted = {name: value for source in SOURCES for name, value in told.get(source, {}).items()}
    assert config.options == (wanted if key == "options" else {}) | chosen
    if key != "options":
        assert getattr(config, key) == (wanted or None)


@pytest.mark.parametrize("source", SOURCES[1:])
def test_a_single_value_is_the_last_one(tmp_path, source):
    told = {"common": {"limit": 3}, source: {"limit": 5}}
    assert one(written(tmp_path, told)).limit == 5


def test_two_spellings_of_one_argument_are_one_name(tmp_path):
    told = {
        "common": {"engine_arg": {"max-num-seqs": 1}},
        "tasks": {"engine_arg": {"max_num_seqs": 2, "seed": 1}},
        "models": {"engine_arg": {"max-num-seqs": 3}},
    }
    assert one(written(tmp_path, told)).engine_arg == {"max_num_seqs": 3, "seed": 1}


def test_models_that_differ_in_an_option_are_runs_that_differ_in_it(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models = [{"model": "gold", "name": "bare"}, {"model": "gold", "name": "shown", "options": {"shots": 1}}]
    (tmp_path / "s.yaml").write_text(
        json.dumps({"tasks": ["fashion"], "models": models, "backend": "null", "limit": 2, "options": {"k": 4}})
    )
    with pytest.raises(SystemExit) as stop:
        main(["suite", "s.yaml", "--out", "o", "--quiet", "--json"])
    assert stop.value.code == 0
    found = json.loads(capsys.readouterr().out)
    told = {run["name"]: json.loads((Path(run["run"]) / "manifest.json").read_text()) for run in found["runs"]}
    options = {name: values["task"]["options"] for name, values in told.items()}
    assert [(own["shots"], own["k"]) for own in options.values()] == [(0, 4), (1, 4)]
    assert len({values["identity"]["task"]["options"]["shots"] for values in told.values()}) == 2


def test_code_that_a_model_s_entry_names_needs_the_user_s_word(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models = [{"model": "gold", "options": {"contract": "evil:Model"}}]
    (tmp_path / "evil.py").write_text("from pathlib import Path\nPath('imported').touch()\n")
    (tmp_path / "s.yaml").write_text(json.dumps({"tasks": ["json"], "models": models, "backend": "null"}))
    with pytest.raises(SystemExit) as stop:
        main(["suite", "s.yaml", "--out", "o"])
    assert stop.value.code == 2
    assert "import 'evil:Model'" in capsys.readouterr().err
    assert not (tmp_path / "imported").exists()
