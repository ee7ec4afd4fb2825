"""What a task class says of itself: a slip is one line at the task's place, in every verb; what is sound passes."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.tools.file_models import Metrics
from listeval import Metric, Task, TaskOptions
from listeval.cli.main import _run
from listeval.errors import UserError
from listeval.plugins.declared import OURS, check_declared
from listeval.plugins.open import make_task, token_budget
from listeval.plugins.registry import load_task
from listeval.runs.entries import MetricEntry
from listeval.runs.preparation import task_entry

TASK = """
from functools import cached_property
from listeval import Dataset, Example, Item, Message, Metric, Record, Task, TaskOptions
class Word(Item):
    word: str
class Own(Task):
    {declared}
    def load(self, data, seed):
        return Dataset([Example("a", (Message("user", "a"),), {{"word": "a"}})], "inline", "v1", {{}})
    def contract(self, target): return Record(Word)
    def gold(self, target): return '{{"word": "a"}}'
    def score(self, targets, values): return [{{"hit": 1.0}} for _ in targets]
"""
SOUND = {"name": '"own"', "version": "1", "summary": '"s"', "metrics": '(Metric("hit", useful=True),)'}


@pytest.fixture
def declare(tmp_path, monkeypatch):
    """Write the task `own` in `./tasks` with other declarations (None: without), and return its folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "tasks" / "own"
    folder.mkdir(parents=True)

    def write(extra="", **changes):
        said = {name: value for name, value in {**SOUND, **changes}.items() if value is not None}
        lines = "\n    ".join([*(f"{name} = {value}" for name, value in said.items()), *extra.splitlines()])
        (folder / "task.py").write_text(TASK.format(declared=lines))
        for name in [name for name in sys.modules if name.startswith("listeval_tasks")]:
            del sys.modules[name]
        return folder

    yield write
    for name in [name for name in sys.modules if name.startswith("listeval_tasks")]:
        del sys.modules[name]


SLIPS = {
    "a missing comma": ({"metrics": '(Metric("hit", useful=True))'}, "its metrics are one Metric, not a tuple"),
    "a text for a metric": ({"metrics": '("hit",)'}, "its metrics[0] is a str ('hit'), not a Metric"),
    "the class itself": ({"metrics": "(Metric,)"}, "its metrics[0] is the class Metric, not a Metric"),
    "a mapping of metrics": ({"metrics": '{"hit": Metric("hit")}'}, "its metrics are a dict"),
    "no metrics": ({"metrics": None}, "it says no metrics"),
    "metrics of one name": ({"metrics": '(Metric("hit"), Metric("hit"))'}, "two of its metrics are called 'hit'"),
    "a figure twice": (
        {"metrics": '(Metric("hit", useful=True), Metric("useful_hit"))'}, "make the figure 'useful_hit'"
    ),
    "an own figure": ({"metrics": '(Metric("parse_rate"),)'}, "called as a figure of every run"),
    "an own count": ({"metrics": '(Metric("n"),)'}, "called as a figure of every run"),
    "a number for a name": ({"metrics": "(Metric(5),)"}, "has no name"),
    "bounds without a comma": ({"metrics": '(Metric("hit", bounds=(1.0)),)'}, "the lowest and the highest value"),
    "bounds as texts": ({"metrics": '(Metric("hit", bounds=("0", "1")),)'}, "they are numbers"),
    "bounds the other way": ({"metrics": '(Metric("hit", bounds=(1.0, 0.0)),)'}, "the lowest value comes first"),
    "bounds of NaN": ({"metrics": '(Metric("hit", bounds=(float("nan"), 1.0)),)'}, "the lowest value comes first"),
    "bounds beyond all": ({"metrics": '(Metric("hit", bounds=(0, 1e300)),)'}, "beyond ±2^53"),
    "at without a comma": ({"metrics": '(Metric("hit", at=(5)),)'}, "no counts"),
    "at of none": ({"metrics": '(Metric("hit", at=(0,)),)'}, "no counts"),
    "at beyond all": ({"metrics": '(Metric("hit", at=(2**60,)),)'}, "no counts"),
    "useful as a text": ({"metrics": '(Metric("hit", "useful"),)'}, "neither True nor False"),
    "a direction as a text": ({"metrics": '(Metric("hit", more_is_better="yes"),)'}, "neither True nor False"),
    "both directions": (
        {"metrics": '(Metric("hit", less_is_better=True, more_is_better=True),)'}, "less_is_better and more_is_better"
    ),
    "a verdict without a comma": ({"verdicts": '("right")'}, "its verdicts are one str, not a tuple"),
    "verdicts in numbers": ({"verdicts": "(1, 2)"}, "its verdicts[0] is an int (1), not a str"),
    "verdicts of one name": ({"verdicts": '("a", "a")'}, "two of its verdicts are called 'a'"),
    "no version": ({"version": None}, "it says no version"),
    "a version as a text": ({"version": '"1"'}, "its version is a str ('1'), not an int"),
    "a version of parts": ({"version": "1.2"}, "its version is a float (1.2), not an int"),
    "a true version": ({"version": "True"}, "its version is a bool (True), not an int"),
    "no summary": ({"summary": None}, "it says no summary"),
    "a summary of parts": ({"summary": '("a", "b")'}, "its summary is a tuple"),
    "no name": ({"name": None}, "it says no name"),
    "a number for its name": ({"name": "7"}, "its name is an int (7), not a str"),
    "options as a mapping": ({"Options": '{"k": 4}'}, "its Options are a dict"),
    "options of another class": ({"Options": "Item"}, "its Options are the class Item, not a TaskOptions"),
    "options as an instance": ({"Options": "TaskOptions()"}, "its Options are a TaskOptions"),
    "seeded as a text": ({"seeded": '"no"'}, "its seeded is a str ('no'), not a bool"),
    "runs code, as a text": ({"executes_code": '"no"'}, "its executes_code is a str ('no'), not a bool"),
    "no score": ({"extra": "from abc import abstractmethod\n@abstractmethod\ndef more(self): ..."}, "no method 'more'"),
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_one_line_at_the_task_s_place(declare, slip):
    changes, said = SLIPS[slip]
    folder = declare(**changes)
    with pytest.raises(UserError) as raised:
        load_task("own")
    assert said in raised.value.cause
    assert raised.value.place == str(folder) and raised.value.fix
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("method", ["load", "contract", "gold", "score"])
def test_a_method_that_is_not_there_is_named(declare, method):
    file = declare() / "task.py"
    file.write_text(file.read_text().replace(f"def {method}(", f"def {method}s("))
    with pytest.raises(UserError, match=f"it has no method '{method}'"):
        load_task("own")


VERBS = (
    "run --task own --model m --backend null --quiet",
    "tasks check own",
    "score r --trust",
    "compare r r+truncation --trust",
)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_it_without_a_traceback(declare, capsys, verb):
    declare()
    assert _run(["run", "--task", "own", "--model", "gold", "--backend", "null", "--quiet", "--out", "r"]) == 0
    folder = declare(metrics='(Metric("hit", useful=True))')
    capsys.readouterr()
    assert _run(verb.split()) == 2
    err = capsys.readouterr().err
    assert f"its metrics are one Metric, not a tuple of them ({folder})" in " ".join(err.split())
    assert "Traceback" not in err


def test_what_only_an_instance_knows_is_checked_on_it(declare):
    declare(metrics=None, extra='@property\ndef metrics(self): return (Metric("hit"),)')
    assert make_task("own", {}).metrics == (Metric("hit"),)
    folder = declare(metrics=None, extra='@property\ndef metrics(self): return Metric("hit")')
    with pytest.raises(UserError, match="its metrics are one Metric") as raised:
        make_task("own", {})
    assert raised.value.place == str(folder)


@pytest.mark.parametrize("budget", ["0", "'64'", "64.5", "None", "True", "2**60", "1/0"])
def test_a_budget_that_is_none_is_the_task_s_fault(declare, budget):
    declare(extra=f"@property\ndef max_tokens(self): return {budget}")
    with pytest.raises(UserError, match=r"task 'own' has no token budget \(max_tokens\)"):
        token_budget(make_task("own", {}))


def test_the_names_of_ours_are_those_of_metrics_json():
    assert set(Metrics.model_fields) <= OURS


def test_lists_and_no_metrics_are_sound(declare):
    declare(metrics='[Metric("hit")]', verdicts='["right"]')
    assert load_task("own")
    declare(metrics="()")
    assert load_task("own")


class Plain(Task):
    name, version, summary, metrics = "plain", 1, "", ()
    load = contract = gold = score = lambda *_: None


NUMBERS = st.none() | st.integers(-(2**60), 2**60) | st.floats() | st.booleans() | st.text(max_size=2)
METRICS = st.builds(
    Metric,
    st.text(max_size=3) | st.sampled_from([*sorted(OURS), 3]),
    st.booleans() | st.integers(0, 1),
    st.none() | st.tuples(NUMBERS, NUMBERS) | st.lists(NUMBERS, max_size=3) | NUMBERS,
    st.lists(NUMBERS, max_size=2) | NUMBERS,
    st.booleans(),
)


@given(st.lists(METRICS | NUMBERS, max_size=3).map(tuple), st.tuples(NUMBERS, NUMBERS) | st.just(("a", "b")), NUMBERS)
def test_what_passes_stands_in_a_manifest_and_what_does_not_is_said(metrics, verdicts, version):
    kind = type("Own", (Plain,), {"metrics": metrics, "verdicts": verdicts, "version": version})
    try:
        check_declared(kind, "here")
    except UserError as error:
        assert error.place == "here"
        return
    entry = task_entry(kind(TaskOptions()))
    read = type(entry).model_validate_json(entry.model_dump_json())
    assert [MetricEntry.model_validate(one.model_dump()).name for one in read.metrics] == [m.name for m in metrics]


@given(METRICS)
def test_a_sound_metric_is_an_entry(metric):
    kind = type("Own", (Plain,), {"metrics": (metric,)})
    try:
        check_declared(kind, "here")
    except UserError:
        return
    (entry,) = task_entry(kind(TaskOptions())).metrics
    assert MetricEntry.model_validate_json(entry.model_dump_json()).metric.name == metric.name
