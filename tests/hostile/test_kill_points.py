"""Killed at every step on the disk: no whole row is lost, none counts twice, completed runs are equal to the bit."""

import json
import random
import shutil

import pytest
from listeval.plugins.open import make_task

from listeval.backends import null
from listeval.cli.main import _run
from listeval.runs import RunConfig, load_run, rescore, run
from tests.backends.fake_server import FakeServer
from tests.hostile.kill_points import dies, steps_of
from tests.labelling.judges import good, reviews

ROWS = 24


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A run whose rows come one by one, so that there are many steps."""
    make_task("fashion", {})
    monkeypatch.setattr(null, "open", lambda model, options: null.NullBackend(model, 1, 0.0005))
    return RunConfig(task="fashion", model="m", backend="null", limit=ROWS, out=str(tmp_path / "run"))


def whole(path):
    """Whole lines of a file, none where there is no file."""
    return path.read_bytes().rpartition(b"\n")[0].splitlines() if path.exists() else []


def points(steps, wanted, rng):
    """Steps to die at, spread over all that there are, every other with a torn write."""
    chosen = [1 + at * steps // wanted for at in range(wanted)] if wanted < steps else list(range(1, steps + 1))
    chosen += [rng.randint(1, steps) for _ in range(wanted - len(chosen))]
    return [(at, bool(nth % 2)) for nth, at in enumerate(chosen)]


def kill_run(config, tmp_path, wanted):
    reference = run(config.model_copy(update={"out": str(tmp_path / "whole")})).path
    steps = steps_of(lambda: run(config), tmp_path / "steps")
    shutil.rmtree(config.out)
    path, before, hits = tmp_path / "run" / "samples.jsonl", [], 0
    for at, torn in points(steps, wanted, random.Random(1)):
        hits += dies(lambda: run(config), at, torn=torn)
        now = whole(path)
        assert now[: len(before)] == before, "a whole row was lost"
        before = now
        if len(before) == ROWS:
            complete(config, path, reference)
            shutil.rmtree(path.parent)
            before = []
    complete(config, path, reference)
    return hits


def complete(config, path, reference):
    """What a killed run comes to is what one that nothing killed is."""
    finished = run(config)
    keys = [json.loads(line)["key"] for line in whole(path)]
    assert len(keys) == len(set(keys)) == ROWS
    assert finished.strays == []
    assert (path.parent / "metrics.json").read_bytes() == (reference / "metrics.json").read_bytes()
    assert {file.name for file in path.parent.iterdir()} == {file.name for file in reference.iterdir()}


def kill_score(config, tmp_path, wanted):
    folder = run(config).path
    kept = {file.name: file.read_bytes() for file in folder.iterdir()}
    steps = steps_of(lambda: rescore(folder), tmp_path / "steps")
    after = {file.name: file.read_bytes() for file in folder.iterdir()}
    hits = 0
    for at, torn in points(steps, wanted, random.Random(2)):
        hits += dies(lambda: rescore(folder), at, torn=torn)
        assert len(load_run(folder).rows) == ROWS
        rescore(folder)
        found = {file.name: file.read_bytes() for file in folder.iterdir()}
        assert found.keys() == kept.keys()
        assert (found["samples.jsonl"], found["metrics.json"]) == (after["samples.jsonl"], after["metrics.json"])
    return hits


def kill_label(tmp_path, wanted):
    pytest.importorskip("httpx", reason="judges are asked over HTTP")
    data = reviews(tmp_path / "hats.jsonl")
    with FakeServer(good).running() as server:
        line = ["label", "--rubric", "helpfulness", "--judge", f"{server.url}#tiny", "--data", str(data), "--quiet"]
        line += ["--concurrency", "2", "--out"]

        def label(out):
            assert _run([*line, str(tmp_path / out)]) == 0

        label("whole")
        steps = steps_of(lambda: label("store"), tmp_path / "steps")
        shutil.rmtree(tmp_path / "store")
        path, before, hits = tmp_path / "store" / "attempt-1" / "samples.jsonl", [], 0
        for at, torn in points(steps, wanted, random.Random(3)):
            hits += dies(lambda: label("store"), at, torn=torn)
            now = whole(path)
            assert now[: len(before)] == before, "a whole answer was lost"
            before = now
            if (tmp_path / "store" / "labels.jsonl").exists():
                same_labels(label, tmp_path)
                shutil.rmtree(tmp_path / "store")
                before = []
        same_labels(label, tmp_path)
    return hits


def same_labels(label, tmp_path):
    label("store")
    found, wanted = ((tmp_path / out / "labels.jsonl").read_bytes().splitlines() for out in ("store", "whole"))
    assert sorted(found) == sorted(wanted)
    assert len(found) == 12
    assert len(whole(tmp_path / "store" / "attempt-1" / "samples.jsonl")) == 12


def test_a_run_dies_at_some_steps(config, tmp_path):
    assert kill_run(config, tmp_path, 20) >= 14


def test_a_score_dies_at_every_step(config, tmp_path):
    assert kill_score(config, tmp_path, 20) >= 14


def test_a_label_dies_at_some_steps(config, tmp_path):
    assert kill_label(tmp_path, 8) >= 4


@pytest.mark.slow
def test_a_run_dies_at_500_steps(config, tmp_path):
    assert kill_run(config, tmp_path, 500) >= 350


@pytest.mark.slow
def test_a_score_dies_at_250_steps(config, tmp_path):
    assert kill_score(config, tmp_path, 250) >= 200


@pytest.mark.slow
def test_a_label_dies_at_250_steps(config, tmp_path):
    assert kill_label(tmp_path, 250) >= 120
