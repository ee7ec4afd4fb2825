"""The command that a page shows makes the same configuration again."""

import json
import shlex
import tempfile
from datetime import datetime
from enum import EnumType
from pathlib import Path
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listeval.cli import run as run_verb
from listeval.errors import UserError
from listeval.report.page.repeat import compare_command, for_a_file, not_in_command, run_command, without_password
from listeval.runs.config import RunConfig, build_config
from listeval.runs.run_adapters import with_adapters

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0~"), min_size=1, max_size=12).filter(
    lambda word: not Path(word).exists()
)
VALUES = st.none() | st.booleans() | st.integers(-99, 99) | st.floats(allow_nan=False, allow_infinity=False) | WORDS
NAMES = st.text("abcdefgh_", min_size=1, max_size=8) | WORDS
JSON = VALUES | st.lists(VALUES, max_size=3) | st.dictionaries(NAMES, VALUES, max_size=2)
PLAIN = {
    str: WORDS,
    int: st.integers(1, 99),
    float: st.floats(0.01, 1.0),
    bool: st.booleans(),
    type(None): st.none(),
    datetime: st.datetimes(),
}


def of(annotation):
    """What a field of this type may hold; a KeyError is a type that has to be drawn here, too."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return of(inner[0])
    if origin is Literal:
        return st.sampled_from(inner)
    if origin in (Union, UnionType):
        return st.one_of(*map(of, inner))
    if origin is tuple:
        return st.lists(of(inner[0]), min_size=1, max_size=3, unique=True).map(tuple)
    if origin is dict:
        return st.dictionaries(NAMES, JSON, min_size=1, max_size=3)
    return st.sampled_from(annotation) if isinstance(annotation, EnumType) else PLAIN[annotation]


RANGES = st.lists(st.integers(0, 99), max_size=4).map(lambda places: ",".join(map(str, places)))
OWN = {
    "task": st.just("fashion"),
    "places": st.dictionaries(st.integers(-9, 9), RANGES, max_size=3),
    "backend": st.sampled_from(["auto", "hf", "null", "openai", "vllm"]),
}
FIELDS = {name: OWN[name] if name in OWN else of(field.annotation) for name, field in RunConfig.model_fields.items()}
NEEDED = {name: FIELDS[name] for name, field in RunConfig.model_fields.items() if field.is_required()}
CONFIGS = st.fixed_dictionaries(NEEDED, optional={name: one for name, one in FIELDS.items() if name not in NEEDED})


def told(command, file, monkeypatch):
    """The configuration that `listeval run` makes of a command line, and of `file` where it needs one besides."""
    kept = []

    def keep(config, adapters):
        kept.extend(with_adapters(config, adapters))
        raise UserError("far enough")

    monkeypatch.setattr("listeval.runs.run_adapters.with_adapters", keep)
    monkeypatch.setattr("listeval.cli.run.allow_options", lambda task, options: None)
    words = shlex.split(command)
    assert words[:2] == ["listeval", "run"]
    with pytest.raises(UserError, match="far enough"):
        run_verb.command.main([*words[2:], *([f"@{file}", "--trust"] if file else [])], standalone_mode=False)
    (config,) = kept
    return config


def in_file(values, folder):
    """A configuration file of `values`; None where there are none."""
    file = Path(folder) / "besides.json"
    file.write_text(json.dumps(values))
    return file if values else None


def served(values):
    """Without what a server of the run's own has no use for."""
    if not values.get("serve"):
        return values
    return {**values, "backend": "openai", "base_url": None, "api_key_env": None}


def check(values):
    """The command of a configuration, and what it needs besides, is read as that configuration."""
    try:
        config = build_config(served(values))
    except UserError:
        return False
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        found = told(run_command(config), in_file(for_a_file(config), folder), patch)
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
    own = {"clock": None, "out": None, "structured": config.structured or None}
    assert found.model_dump() == {**config.model_dump(), **own}
    return True


@settings(max_examples=300)
@given(CONFIGS)
def test_the_command_says_the_whole_configuration(values):
    check(values)


@pytest.mark.parametrize("name", RunConfig.model_fields)
def test_each_field_alone_is_in_the_command(name):
    """However seldom all of them are drawn together."""
    made = []

    @settings(max_examples=20)
    @given(FIELDS[name])
    def alone(value):
        made.append(check({"task": "fashion", "model": "m", name: value}))

    alone()
    assert any(made)


COMMANDS = {
    "--serve": {"serve": True},
    "--engine-arg gpu_memory_utilization=0.5 --engine-arg quantization='\"fp8\"'": {
        "engine_arg": {"gpu_memory_utilization": 0.5, "quantization": "fp8"}
    },
    "--seeds=-1,2": {"seeds": (-1, 2)},
    "--adapter /a/b": {"adapter": "/a/b"},
    "--base-url http://a/v1,http://b/v1": {"base_url": "http://a/v1,http://b/v1"},
    "--system --json": {"system": "--json"},
}


@pytest.mark.parametrize("said", COMMANDS)
def test_a_flag_is_written_as_it_is_read(said, monkeypatch):
    backend = "hf" if "--adapter" in said else "auto"
    config = build_config({"task": "fashion", "model": "m", "backend": backend, **COMMANDS[said]})
    command = run_command(config)
    assert shlex.join(shlex.split(said.replace("=-1", " -1"))) in command
    assert told(command, None, monkeypatch) == config


BESIDES = {
    "structured: true": {"structured": True},
    'samples: ["a,b"]': {"samples": ("a,b",)},
    'samples: [" a"]': {"samples": (" a",)},
    'system: "@alice, be brief"': {"system": "@alice, be brief"},
    'options: {"a=b": 1}': {"options": {"a=b": 1}},
    'adapter: "none"': {"adapter": "none"},
}


@pytest.mark.parametrize("said", BESIDES)
def test_what_no_flag_can_say_is_said_besides(said):
    config = RunConfig(task="fashion", model="m", **BESIDES[said])
    assert not_in_command(config) == f"with '{said}' in a file named by @FILE"
    assert run_command(config) == "listeval run --task fashion --model m"


def test_what_has_no_flag_is_said():
    config = RunConfig(task="fashion", model="m", structured=True)
    assert "structured: true" in not_in_command(config)
    assert not_in_command(RunConfig(task="fashion", model="m")) == ""


@pytest.mark.parametrize(("url", "shown"), [
    ("http://user:secret@host:8000/v1", "http://host:8000/v1"), ("http://host/v1", "http://host/v1"), ("http://[", "http://["),
])  # fmt: skip
def test_no_password_is_passed_on(url, shown):
    assert without_password(url) == shown
    config = RunConfig(task="fashion", model="m", backend="openai", base_url=url)
    assert "secret" not in run_command(config)


def test_a_comparison_is_made_again_by_its_command(two_runs):
    from listeval.comparison import compare
    from listeval.comparison.thresholds import Thresholds

    paths = [str(run.path) for run in two_runs]
    found = compare([paths[0], f"{paths[0]}+permutation"], thresholds=Thresholds(0.2), seed=3)
    words = shlex.split(compare_command(found))
    assert words == [
        "listeval", "compare", paths[0], f"{paths[0]}+permutation", "--margin", "0.2", "--seed", "3",
        "--html", "compare.html",
    ]  # fmt: skip
    assert Path(words[2]).is_dir()


def test_a_comparison_across_prompts_is_made_again_across_prompts(make_run):
    from listeval.cli.compare import command
    from listeval.comparison import compare

    runs = [make_run("zero", limit=20), make_run("one", limit=20, options={"shots": 1})]
    paths = [str(run.path) for run in runs]
    with pytest.raises(UserError, match="no sample can be paired"):
        compare(paths)
    said = compare_command(compare(paths, across_prompts=True))
    assert "--across-prompts" in shlex.split(said)
    assert command.main(shlex.split(said)[2:-2], standalone_mode=False) == 0
