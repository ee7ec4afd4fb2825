"""Entries of the manifest: typed for those who read them, the same JSON for those who keep them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.errors import UserError
from listeval.runs.entries import AuditEntry, BackendEntry, CanaryEntry, EnvironmentEntry, ModelEntry, TaskEntry
from listeval.runs.manifest import read_manifest

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
