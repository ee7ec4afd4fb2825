"""Ctrl-C and SIGTERM at any moment: rows stay, one line is said, the exit code tells which, and no traceback."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from listeval.runs import load_run
from listeval.runs.rows import done_keys

ROOT = Path(__file__).resolve().parents[2]
SEEDS = ",".join(map(str, range(30)))
RUN = ["run", "--task", "fashion", "--backend", "null", "--seeds", SEEDS, "--quiet"]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


def start(*args: str, cwd: Path) -> subprocess.Popen:
    """The command as a user starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "listeval", *args], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'training'}", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def guarded(process: subprocess.Popen) -> None:
    """Wait until signals are the command's own business: before, the interpreter has not come to our first line."""
    while process.poll() is None:
        caught = next(line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "SigCgt" in line)
        if int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.0005)


def stopped(process: subprocess.Popen, number: int, delay: float) -> tuple[bool, str]:
    """Send the signal after `delay`; whether it came in time, and what was said on stderr."""
    guarded(process)
    time.sleep(delay)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err and "Exception ignored" not in err, err
    if process.returncode == 0:
        return False, err
    if process.returncode == -number and not err:
        return False, err  # it came before our first line ran, and ended Python without a word
    assert process.returncode == CODES[number], (process.returncode, err)
    assert [line for line in err.splitlines() if "stopped" in line] == [err.splitlines()[-1]], err
    return True, err


def at_many_moments(tmp_path: Path, moments: int, most: float) -> int:
    dice, hits, out = random.Random(moments), 0, tmp_path / "run"
    before: set[str] = set()
    for i in range(moments):
        number = (signal.SIGINT, signal.SIGTERM)[i % 2]
        hits += stopped(start(*RUN, "--out", str(out), cwd=tmp_path), number, dice.uniform(0, most))[0]
        keys = done_keys(out / "samples.jsonl")
        assert before <= keys
        before = keys
    return hits


def test_a_run_is_stopped_at_many_moments_and_ends_the_same(tmp_path):
    assert at_many_moments(tmp_path, 8, 0.6) > 2
    whole = start(*RUN, "--out", str(tmp_path / "run"), cwd=tmp_path)
    assert whole.wait(120) == 0
    other = start(*RUN, "--out", str(tmp_path / "whole"), cwd=tmp_path)
    assert other.wait(120) == 0
    assert (tmp_path / "run" / "metrics.json").read_bytes() == (tmp_path / "whole" / "metrics.json").read_bytes()


@pytest.mark.slow
def test_a_run_is_stopped_at_a_hundred_moments_of_its_first_second(tmp_path):
    # A run takes as long as this machine lets it: what came after its end proves nothing.
    assert at_many_moments(tmp_path, 100, 1.0) > 20


@pytest.mark.parametrize("number", CODES)
def test_a_rescore_that_is_stopped_leaves_the_rows_as_they_were(tmp_path, number):
    made = start(*RUN, "--out", str(tmp_path / "run"), cwd=tmp_path)
    assert made.wait(120) == 0
    before = sorted((tmp_path / "run" / "samples.jsonl").read_bytes().splitlines())
    for delay in (0.2, 0.5, 0.8):
        stopped(start("score", str(tmp_path / "run"), cwd=tmp_path), number, delay)
        assert sorted((tmp_path / "run" / "samples.jsonl").read_bytes().splitlines()) == before
    assert load_run(tmp_path / "run").summary.errors == 0


@pytest.mark.parametrize("number", CODES)
def test_labelling_that_is_stopped_keeps_its_answers_and_asks_only_for_the_rest(tmp_path, number):
    pytest.importorskip("httpx")
    from tests.backends.fake_server import FakeServer
    from tests.labelling.judges import asked, good, reviews

    def slowly(call):
        time.sleep(0.05)
        return good(call)

    data = reviews(tmp_path / "reviews.jsonl", products=10, count=8)
    with FakeServer(slowly).running() as server:
        words = ["label", "--rubric", "helpfulness", "--judge", f"{server.url}#tiny", "--data", str(data), "--json",
                 "--concurrency", "2", "--out", str(tmp_path / "labels")]  # fmt: skip
        hit, _ = stopped(start(*words, cwd=tmp_path), number, 1.5)
        rows = tmp_path / "labels" / "attempt-1" / "samples.jsonl"
        kept = len(done_keys(rows)) if rows.exists() else 0
        again = start(*words, cwd=tmp_path)
        out, _ = again.communicate(timeout=60)
    assert hit and again.returncode == 0
    assert json.loads(out)["labelled"] == 80
    # At most what was in flight is asked for a second time.
    assert sum(asked(server).values()) <= 80 + 2 and 80 - kept <= sum(asked(server).values())


def test_an_ignored_signal_stays_ignored(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "listeval", *RUN, "--out", str(tmp_path / "run")],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'training'}"}, stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    guarded(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", CODES)
def test_what_a_stopped_run_of_a_model_did_is_in_its_manifest(tmp_path, number):
    pytest.importorskip("transformers")
    out = tmp_path / "run"
    words = ["run", "--task", "fashion", "--model", "tiny-sft", "--backend", "hf", "--batch-size", "2", "--quiet"]
    process = start(*words, "--device", "cpu", "--set", "split=all", "--out", str(out), cwd=tmp_path)
    until = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < until:
        if (out / "samples.jsonl").exists() and (out / "samples.jsonl").stat().st_size:
            break
        time.sleep(0.02)
    assert stopped(process, number, 0)[0]
    made = load_run(out)
    (attempt,) = made.manifest.attempts
    assert attempt.rows == len(made.every) > 0 and attempt.tokens > 0
    assert made.manifest.backend.settings["device"] == "cpu"
