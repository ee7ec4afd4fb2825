"""The trackers' own libraries, where they are installed: what they were told is read back by their own readers."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from listeval.runs import load_run
from listeval.runs.tracking.tracked import figures_of


def track(name, out, **environment):
    """A tracked run in a process of its own, as a user starts it."""
    command = [sys.executable, "-m", "listeval", "run", "--task", "fashion", "--model", "noise", "--backend", "null"]
    command += ["--limit", "40", "--out", str(out), "--track", name, "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    assert done.returncode == 0 and "goes on without" not in done.stderr, done.stderr
    assert done.stdout.startswith("{") and done.stdout.count("\n") == 1, "only the result stands on stdout"
    return load_run(out)


def test_tensorboard_reads_every_figure_back(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = track("tensorboard", tmp_path / "run")
    events = accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    from tensorboard.util.tensor_util import make_ndarray

    found = {tag: events.Tensors(tag)[-1] for tag in events.Tags()["tensors"]}
    for name, value in figures_of(run).items():
        assert float(make_ndarray(found[name].tensor_proto)) == pytest.approx(value, abs=1e-6), name
        assert found[name].step == 40
    steps = [event.step for event in events.Tensors("so_far/parse_rate")]
    assert steps == sorted(steps) and steps[-1] == 40
    assert run.manifest.identity_hash.encode() in make_ndarray(found["config"].tensor_proto).ravel()[0]
    assert "_hparams_/session_start_info" in found


def test_trackio_reads_every_figure_back(tmp_path):
    pytest.importorskip("trackio", reason="needs trackio")
    run = track("trackio", tmp_path / "run", TRACKIO_DIR=str(tmp_path / "trackio"))
    code = (
        "import json; from trackio.sqlite_storage import SQLiteStorage as S;"
        "(name,) = S.get_runs('listeval'); print(json.dumps(S.get_logs('listeval', name), default=str))"
    )
    environment = os.environ | {"TRACKIO_DIR": str(tmp_path / "trackio")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    import json

    last = json.loads(done.stdout.splitlines()[-1])[-1]
    assert {name: last[name] for name in figures_of(run)} == pytest.approx(dict(figures_of(run)))


def test_wandb_keeps_every_figure_offline(tmp_path):
    pytest.importorskip("wandb", reason="needs wandb")
    run = track("wandb", tmp_path / "run", WANDB_MODE="offline", WANDB_DIR=str(tmp_path))
    (kept,) = (tmp_path / "run").rglob("*.wandb")
    content = kept.read_bytes()
    assert all(name.encode() in content for name in figures_of(run))
    assert run.manifest.identity_hash.encode() in content
