"""A suite's file: what is wrong with it is said in one line with the file's line and key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.errors import UserError
from listeval.suites.expand import MOST, clean, expand
from listeval.suites.file import read_suite

GOOD = """\
# two tasks, two models
tasks:
  - fashion
  - task: msmarco
    name: passages
    limit: 10
    settings: {k: [4, 8]}
models: [null, {model: gold, name: right}]
backend: null
constraints: [none]
settings:
  k: [2, 4]
options: {shots: 1}
seeds: 0,1
"""


@pytest.fixture
def write(tmp_path):
    def make(text, name="s.yaml"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return make


def test_a_suite_is_every_combination(write):
    runs = expand(read_suite(write(GOOD)), {}, Path("out"))
    assert [run.name for run in runs] == [
        f"{task}_k={k}_{model}_none"
        for task, ks in (("fashion", (2, 4)), ("passages", (4, 8)))
        for k in ks
        for model in ("null", "right")
    ]
    assert [run.group for run in runs[::2]] == ["fashion_k=2", "fashion_k=4", "passages_k=4", "passages_k=8"]
    first, last = runs[0].config, runs[-1].config
    assert (first.task, first.model, first.backend, first.limit, first.seeds) == (
        "fashion",
        "null",
        "null",
        None,
        (0, 1),
    )
    assert first.options == {"shots": 1, "k": 2}
    assert (last.task, last.model, last.limit, last.options) == ("msmarco", "gold", 10, {"shots": 1, "k": 8})
    assert {run.config.out for run in runs} == {f"out/{run.name}" for run in runs}


@pytest.mark.parametrize(
    "text",
    [
        "<<: {backend: null}\ntasks: [fashion]\nmodels: [null]\n",
        "tasks: [fashion]\nmodels: [{<<: {model: null}, name: x}]\nbackend: null\n",
        "<<: {models: [null], backend: null}\ntasks: [fashion]\n",
    ],
)
def test_null_names_the_null_engine_also_where_it_is_merged_in(write, text):
    (run,) = expand(read_suite(write(text)), {}, Path("out"))
    assert (run.config.model, run.config.backend) == ("null", "null")


def test_what_the_command_line_says_wins(write):
    runs = expand(read_suite(write(GOOD)), {"limit": 3, "seeds": ["7"]}, Path("out"))
    assert {(run.config.limit, run.config.seeds) for run in runs} == {(3, (7,))}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("tasks: [fashion]\n", 1, ["no models is given", "models: ..."]),
        ("tasks: [fashion]\nmodels: [a]\nlimit: x\n", 3, ["limit", "integer", "'x'"]),
        ("tasks: [fashion]\nmodels: [a]\n\nlimitt: 3\n", 4, ["unknown key 'limitt'", "did you mean 'limit'"]),
        ("tasks: [fashion]\nmodels:\n  - model: a\n    dtpe: f\n", 4, ["models[0].dtpe", "did you mean 'dtype'"]),
        ("tasks:\n  - limit: 3\nmodels: [a]\n", 2, ["no tasks[0].task is given"]),
        ("tasks:\n  - task: a\n    model: b\nmodels: [a]\n", 3, ["unknown key 'tasks[0].model'"]),
        ("tasks: []\nmodels: [a]\n", 1, ["tasks", "at least 1"]),
        ("tasks: [3]\nmodels: [a]\n", 1, ["tasks[0] is neither a name nor a mapping"]),
        ("tasks: [a]\nmodels: [a]\nconstraints: [schemma]\n", 3, ["constraints[0].constraint", "'schema'"]),
        ("tasks: [a]\nmodels: [a]\nsettings:\n  k: 4\n", 4, ["settings.k", "list"]),
        ("tasks: [a]\nmodels: [a]\nsettings:\n  k: []\n", 4, ["settings.k", "at least 1"]),
        ("tasks: [a]\nmodels: [a]\nout: 3\n", 3, ["out", "string"]),
        ("tasks: [a]\nmodels: [a]\ntemperature: .inf\n", 3, ["temperature", "finite"]),
        ("tasks: [a]\nmodels: [a]\ntasks: [b]\n", 3, ["'tasks' stands twice"]),
        ("tasks:\n  - task: a\n    limit: 1\n    limit: 2\nmodels: [a]\n", 4, ["'limit' stands twice"]),
        ("tasks: [a\n", 2, ["not YAML"]),
        ("tasks: !!python/object/apply:os.system [id]\n", 1, ["not YAML"]),
    ],
)
def test_what_is_wrong_is_said_with_its_line(write, text, line, words):
    file = write(text)
    with pytest.raises(UserError) as told:
        read_suite(file)
    assert str(told.value).count("\n") == 0
    for word in (f"{file}:{line}", *words):
        assert word in str(told.value), str(told.value)


@pytest.mark.parametrize(
    "content", [b"- a\n", b"", b"\x80\xff", b"a: b: c", b"k: !!bool x", b"k: !!timestamp x", b"k: &s {k: [*s]}"]
)
def test_what_is_no_mapping_is_one_line(tmp_path, content):
    (tmp_path / "s.yaml").write_bytes(content)
    with pytest.raises(UserError, match=r"s\.yaml"):
        read_suite(tmp_path / "s.yaml")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"no suite: .*gone\.yaml"):
        read_suite(tmp_path / "gone.yaml")


def test_two_runs_of_one_name_are_refused(write):
    file = write("tasks: [fashion]\nmodels: [a/x, b/X]\nbackend: null\n")
    with pytest.raises(UserError, match="give one of the entries a 'name'"):
        expand(read_suite(file), {}, Path("out"))


def test_a_file_that_multiplies_is_refused_before_it_does(write):
    axes = {f"a{n}": list(range(100)) for n in range(10)}
    file = write(json.dumps({"tasks": ["fashion"], "models": ["a"], "settings": axes}))
    with pytest.raises(UserError, match=f"at most {MOST:,}"):
        expand(read_suite(file), {}, Path("out"))
    bomb = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*{'a' if n == 0 else f'b{n - 1}'}, *a]\n" for n in range(60))
    with pytest.raises(UserError, match="unknown key"):
        read_suite(write(bomb + "tasks: [a]\nmodels: [a]\n"))


@given(st.text(max_size=200))
def test_a_name_is_a_directory_below_the_suite_s(text):
    name = clean(text)
    assert name not in ("", ".", "..")
    assert "/" not in name
    assert not name.startswith((".", "-"))
    assert len(name) <= 140
    assert name.isascii()


def test_null_is_the_engine_of_that_name_and_nothing_is_nothing(write):
    [run] = expand(read_suite(write("tasks: [fashion]\nmodels: [null]\nbackend: null\n")), {}, Path("o"))
    assert (run.config.backend, run.config.model) == ("null", "null")
    with pytest.raises(UserError, match="neither a name"):
        read_suite(write("tasks: [fashion]\nmodels: [~]\n"))
