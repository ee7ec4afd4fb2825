"""The hub's files against a stand-in for its client: pinning, patterns, and failures in words."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest

from listeval.errors import UserError
from listeval.kit.files import rows
from listeval.kit.hub import HubDataset

httpx = pytest.importorskip("httpx", reason="the hub's client raises its errors")
FILES = {"main/test-1.json": b'{"n": 2}\n', "main/test-0.json": b'{"n": 1}\n', "main/train-0.json": b""}


class Client:
    """Stands for `huggingface_hub`."""

    def __init__(self, sha="abc"):
        self.sha = sha
        self.HfApi = self.HfFileSystem = lambda: self

    def dataset_info(self, repository):
        return SimpleNamespace(sha=self.sha, siblings=[SimpleNamespace(rfilename=name) for name in FILES])

    def open(self, path, mode):
        return io.BytesIO(FILES[path.removeprefix(f"datasets/o/set@{self.sha}/")])


def dataset(monkeypatch, client=None):
    monkeypatch.setitem(sys.modules, "huggingface_hub", client or Client())
    return HubDataset("o/set")


def test_files_by_pattern_in_order(monkeypatch):
    found = dataset(monkeypatch).files("main/test-*.json")
    assert [file.name for file in found] == [f"hf://datasets/o/set@abc/main/test-{n}.json" for n in (0, 1)]
    assert [row for file in found for _, row in rows(file)] == [{"n": 1}, {"n": 2}]


def test_no_such_file(monkeypatch):
    with pytest.raises(UserError, match=r"no file 'dev/\*' in the data set \(o/set\)\. Fix: give --data"):
        dataset(monkeypatch).files("dev/*")


def test_the_revision_is_part_of_the_fingerprint(monkeypatch):
    first = dataset(monkeypatch).file("main/test-0.json")
    assert first.fingerprint == dataset(monkeypatch).file("main/test-0.json").fingerprint
    assert first.fingerprint != dataset(monkeypatch, Client("def")).file("main/test-0.json").fingerprint


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("no route\nto host"), ConnectionError("no route"), ValueError("no route")]
)
def test_an_unreachable_hub(monkeypatch, error):
    def fail(*_):
        raise error

    client = Client()
    client.dataset_info = fail
    with pytest.raises(UserError, match=r"the hub cannot be read: .*no route \(o/set\)\. Fix: check the network"):
        dataset(monkeypatch, client)
    client = Client()
    client.open = fail
    with pytest.raises(UserError, match="the hub cannot be read"):
        list(rows(dataset(monkeypatch, client).file("main/test-0.json")))


def test_a_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"pip install 'listeval\[hub\]'"):
        HubDataset("o/set")
