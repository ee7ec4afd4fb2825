"""Entries of the manifest: typed for those who read them, the same JSON for those who keep them."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.errors import UserError
from listeval.runs.entries import AuditEntry, BackendEntry, CanaryEntry, EnvironmentEntry, ModelEntry, TaskEntry
from listeval.runs.manifest import read_manifest
from listeval.runs.preparation import task_entry
from listeval.task import Metric, TaskOptions

PUBLISHED = Path(__file__).parents[2] / "reports" / "published"
MANIFESTS = sorted(PUBLISHED.glob("**/manifests/*.json"))
ENTRIES = ("identity", "task", "data", "model", "backend", "canary", "audit", "environment")

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def kept(manifest, folder):
    """The manifest's JSON after it was read and written again."""
    (folder / "manifest.json").write_text(json.dumps(manifest))
    read_manifest(folder).write(folder)
    return json.loads((folder / "manifest.json").read_text())


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_a_published_manifest_stays_as_it_is(file, tmp_path):
    before = json.loads(file.read_text())
    after = kept(before, tmp_path)
    for name in ENTRIES:
        assert json.dumps(after[name]) == json.dumps(before.get(name)), name


def test_there_are_published_manifests():
    assert MANIFESTS


@given(more=st.dictionaries(st.text("abcdefgh", min_size=3), values, max_size=3))
def test_an_entry_keeps_what_it_does_not_know_and_adds_nothing(more):
    for kind in (AuditEntry, CanaryEntry, EnvironmentEntry):
        assert kind.model_validate(more).model_dump(mode="json") == more
    own = {"name": "a"}
    assert ModelEntry.model_validate(own | more).model_dump(mode="json") == own | more


def test_an_entry_is_read_by_field_and_as_json():
    entry = BackendEntry(name="hf", settings={"left_out": {"seed": "no"}, "constraint": "x"})
    assert entry["name"] == entry.name == "hf"
    assert (entry.left_out, entry.constraint) == ({"seed": "no"}, {})
    with pytest.raises(KeyError):
        entry["no such field"]


def test_the_part_behind_the_rows_is_without_metrics_verdicts_and_contract(start):
    task = start(limit=1).manifest.task
    assert task.contract == "KeyedList"
    assert task.metrics and "metrics" in task.model_dump()
    assert set(task.behind_rows()) == {"name", "version", "options", "code"}
    assert TaskEntry.model_validate(task.model_dump()) == task


@pytest.mark.parametrize(
    ("entry", "value", "where"),
    [
        ("task", {"name": 5}, "task.name"),
        ("data", {}, "data"),
        ("model", {"name": None}, "model.name"),
        ("backend", {"name": "hf", "settings": []}, "backend.settings"),
        ("identity", {"constraint": {"kind": "schema"}}, "identity: .*engine"),
        ("canary", {"sent": {"left_out": 5}}, "canary.sent.left_out"),
        ("audit", {"keywords": 3}, "audit.keywords"),
        ("environment", {"packages": "torch"}, "environment.packages"),
    ],
)
def test_a_damaged_entry_is_one_line_with_its_place(start, entry, value, where):
    run = start(limit=1)
    file = run.path / "manifest.json"
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps({**manifest, entry: value}))
    with pytest.raises(UserError, match=where) as caught:
        read_manifest(run.path)
    assert "\n" not in str(caught.value)


OPEN = Metric("faults", False, (0.0, None), (), True)
WRITTEN = {
    "closed": (Metric("a", bounds=(-1.0, 2.5)), Metric("a", bounds=(-1.0, 2.5)), [-1.0, 2.5]),
    "open above": (OPEN, OPEN, [0.0, None]),
    "open below": (Metric("a", bounds=(None, 1.0)), Metric("a", bounds=(None, 1.0)), [None, 1.0]),
    "infinite": (Metric("a", bounds=(-math.inf, math.inf)), Metric("a", bounds=(None, None)), [None, None]),
    "more is better": (Metric("a", more_is_better=True), Metric("a", more_is_better=True), None),
    "not known": (Metric("a"), Metric("a"), None),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_bounds_of_a_metric_come_back_and_an_open_side_is_null(case, start, tmp_path):
    metric, read, bounds = WRITTEN[case]
    task = type("Own", (), {"name": "own", "version": 1, "options": TaskOptions(), "code": "", "verdicts": ()})()
    task.metrics = (metric,)
    manifest = start(limit=1).manifest
    manifest.task = task_entry(task)
    manifest.write(tmp_path)
    told = json.loads((tmp_path / "manifest.json").read_text())["task"]["metrics"][0]
    assert told["bounds"] == bounds
    assert ("less_is_better" in told) == metric.less_is_better
    assert ("more_is_better" in told) == metric.more_is_better
    [found] = read_manifest(tmp_path).task.metrics
    assert found.metric == read._replace(at=[])


def test_a_manifest_from_before_metrics_had_directions_is_read(start, tmp_path):
    done = start(limit=1)
    told = json.loads((done.path / "manifest.json").read_text())
    for metric in told["task"]["metrics"]:
        metric.pop("less_is_better", None)
        metric.pop("more_is_better", None)
    (tmp_path / "manifest.json").write_text(json.dumps(told))
    assert not any(entry.metric.less_is_better for entry in read_manifest(tmp_path).task.metrics)
    told["task"]["metrics"][0]["bounds"] = [0, "much"]
    (tmp_path / "manifest.json").write_text(json.dumps(told))
    with pytest.raises(UserError, match="bounds"):
        read_manifest(tmp_path)
