"""What `--data` names for a task with rows of one shape, and the splits that rows say they are of."""

from __future__ import annotations

import hashlib

import pytest

from listeval.errors import UserError
from listeval.kit.source import find_source, own_split
from tests.hub_server import SHA, lines

ROWS = {name: lines([{"n": name}]) for name in ("sample", "test", "a", "b")}


@pytest.fixture
def find(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample.jsonl").write_bytes(ROWS["sample"])
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "test.jsonl").write_bytes(ROWS["test"])

    def call(data, patterns=("a*", "b*")):
        sample = tmp_path / "sample.jsonl"
        return find_source(data, sample=sample, file="test.jsonl", hub="o/set", hub_files=patterns, part="test")

    return call


@pytest.mark.parametrize(
    ("data", "place", "name", "row"),
    [
        (None, "sample.jsonl", "generated sample", "sample"),
        ("folder", "folder/test.jsonl", "folder test", "test"),
        ("folder/test.jsonl", "folder/test.jsonl", "test.jsonl", "test"),
    ],
)
def test_a_file_a_folder_or_the_sample(find, data, place, name, row):
    found = find(data)
    assert found.place.endswith(place) and found.name == name
    assert [row for _, row in found.rows()] == [{"n": row}]
    assert found.fingerprint == hashlib.sha256(ROWS[row]).hexdigest()


def test_the_hub_s_files_in_the_order_of_the_patterns(find, serve_hub):
    serve_hub({"o/set": {"b.jsonl": ROWS["b"], "a.jsonl": ROWS["a"]}})
    found = find("hub", ("b*", "a*"))
    assert [row["n"] for _, row in found.rows()] == ["b", "a"]
    assert (found.place, found.name) == (f"hf://datasets/o/set@{SHA}/b.jsonl", "o/set test")
    assert found.fingerprint != find("hub").fingerprint


def test_what_is_not_there(find):
    with pytest.raises(UserError, match="no such file or folder"):
        find("nowhere")


def test_splits():
    assert own_split({"split": "dev"}, "test", ("dev", "test"), "f:1") == "dev"
    for missing in ({}, {"split": None}, {"split": float("nan")}, {"split": "nan"}):
        assert own_split(missing, "test", ("dev", "test"), "f:1") == "test"
    with pytest.raises(UserError, match=r"split 'tset' is none of dev, test \(f:1\)"):
        own_split({"split": "tset"}, "test", ("dev", "test"), "f:1")
    with pytest.raises(UserError, match=r"split \['dev'\] is none of"):
        own_split({"split": ["dev"]}, "test", ("dev", "test"), "f:1")
