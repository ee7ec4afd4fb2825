"""The hub's files through `huggingface_hub` from a stand-in: cached, pinned, by pattern, offline, faults in words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from listeval.errors import UserError
from listeval.kit.files import rows
from listeval.kit.hub import HubDataset
from tests.hub_server import SHA, Hub, serving

FILES = {"main/test-1.json": b'{"n": 2}\n', "main/test-0.json": b'{"n": 1}\n', "main/train-0.json": b'{"n": 3}\n'}
SHARDS = {f"main/test-0000{n}-of-00003.json": b'{"n": %d}' % n for n in range(3)}
OTHER = "f" * 40


@pytest.fixture
def offline(monkeypatch):
    """What HF_HUB_OFFLINE=1 says; the client reads it as it is imported."""
    return lambda: monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def read(files):
    return [row["n"] for file in files for _, row in rows(file)]


def test_files_by_pattern_in_order(serve_hub):
    hub = serve_hub({"o/set": FILES})
    found = HubDataset("o/set").files("main/test-*.json")
    assert [file.name for file in found] == [f"hf://datasets/o/set@{SHA}/main/test-{n}.json" for n in (0, 1)]
    assert read(found) == [1, 2]
    assert sorted(hub.asked) == ["main/test-0.json", "main/test-1.json"]
    assert read(HubDataset("o/set").files("*0.json", "main/test-1*")) == [1, 2, 3]


def test_a_file_is_fetched_once_by_all_who_read_it(serve_hub):
    hub = serve_hub({"o/set": FILES})
    for _ in range(3):
        assert read([HubDataset("o/set").file("main/test-0.json")]) == [1]
    assert hub.asked == ["main/test-0.json"]


def test_all_files_are_of_one_revision_whatever_is_pushed_meanwhile(serve_hub):
    hub = serve_hub({"o/set": FILES})
    dataset = HubDataset("o/set")
    first = dataset.file("main/test-0.json")
    hub.sha = OTHER
    assert f"@{SHA}/" in first.name
    assert f"@{SHA}/" in dataset.file("main/test-0.json").name
    assert f"@{OTHER}/" in HubDataset("o/set").file("main/test-0.json").name


def test_the_revision_is_part_of_the_fingerprint(serve_hub):
    hub = serve_hub({"o/set": FILES})
    first = HubDataset("o/set").file("main/test-0.json")
    assert first.fingerprint == HubDataset("o/set").file("main/test-0.json").fingerprint
    hub.sha = OTHER
    assert first.fingerprint != HubDataset("o/set").file("main/test-0.json").fingerprint


@pytest.mark.parametrize("how", ["offline", "down"])
def test_what_is_in_the_cache_is_read_without_the_hub(serve_hub, offline, how):
    hub = serve_hub({"o/set": FILES})
    [online] = HubDataset("o/set").files("main/test-0.json")
    hub.down = True
    if how == "offline":
        offline()
    [cached] = HubDataset("o/set").files("main/test-0.json")
    assert (cached.name, cached.fingerprint, read([cached])) == (online.name, online.fingerprint, [1])
    assert len(hub.asked) == 1


def test_what_is_not_in_the_cache_cannot_be_read_offline(serve_hub, offline):
    serve_hub({"o/set": FILES})
    HubDataset("o/set").files("main/test-0.json")
    offline()
    for name, pattern in [("o/set", "main/train-*"), ("o/set", "main/test-*"), ("o/other", "*")]:
        with pytest.raises(UserError, match=r"the hub cannot be read: .*\(o/.*\)\. Fix: check the network"):
            HubDataset(name).files(pattern)


def test_a_cache_that_was_filled_by_hand_is_read_if_it_has_every_part(serve_hub, offline, tmp_path):
    serve_hub({})
    offline()
    cache = tmp_path / "hub-cache" / "datasets--o--set"
    stored = {"refs/main": SHA.encode(), **{f"snapshots/{SHA}/{path}": content for path, content in SHARDS.items()}}
    for path, content in stored.items():
        (cache / path).parent.mkdir(parents=True, exist_ok=True)
        (cache / path).write_bytes(content)
    assert read(HubDataset("o/set").files("main/test-*.json")) == [0, 1, 2]
    (cache / "snapshots" / SHA / "main" / "test-00001-of-00003.json").unlink()
    with pytest.raises(UserError, match=r"the cache has no 'main/test-00001-of-00003\.json' \(o/set\)\. Fix: fetch"):
        HubDataset("o/set").files("main/test-*.json")
    assert read([HubDataset("o/set").file("main/test-00002-of-00003.json")]) == [2]


def test_no_such_file_and_no_such_data_set(serve_hub):
    serve_hub({"o/set": FILES})
    with pytest.raises(UserError, match=r"no file 'dev/\*' in the data set \(o/set\)\. Fix: give --data"):
        HubDataset("o/set").files("dev/*")
    with pytest.raises(UserError, match=r"the hub cannot be read: .*\(o/none\)"):
        HubDataset("o/none").file("x")


def test_an_unreachable_hub(serve_hub):
    with serving(Hub({})):
        pass  # its port is closed now
    hub = serve_hub({"o/set": FILES})
    hub.down = True
    with pytest.raises(UserError, match=r"the hub cannot be read: .*\(o/set\)\. Fix: check the network") as caught:
        HubDataset("o/set").file("main/test-0.json")
    assert "\n" not in str(caught.value)


def test_a_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"pip install 'listeval\[hub\]'"):
        HubDataset("o/set")


def test_the_client_s_own_variables_hold(tmp_path):
    pytest.importorskip("huggingface_hub", reason="the hub is read through its client")
    code = (
        "from listeval.kit.hub import HubDataset; from listeval.kit.files import rows;"
        "print([row for _, row in rows(HubDataset('o/set').file('main/test-0.json'))])"
    )
    root = str(Path(__file__).parents[1])
    with serving(Hub({"o/set": FILES})) as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path), "PYTHONPATH": root}
        for told in ({}, {"HF_HUB_OFFLINE": "1"}):
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment | told)
            assert done.stdout == "[{'n': 1}]\n", done.stderr
    assert hub.asked == ["main/test-0.json"]
