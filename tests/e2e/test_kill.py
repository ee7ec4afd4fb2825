"""kill -9 at random points: no whole row lost, none twice, metrics bit-equal to an uninterrupted run."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from listeval.runs import RunConfig, load_run, run
from listeval.runs.rows import done_keys

ROOT = Path(__file__).resolve().parents[2]
# A worker that is forked after all imports, so that 200 kills cost seconds, not minutes of start-up.
WORKER = """
import os, sys
from listeval.runs import RunConfig, run
from listeval.plugins.open import make_task
from listeval.backends import null
import listeval.scoring.ranking
make_task("fashion", {})
null.open = lambda model, options: null.NullBackend(model, 1, 0.002)
config = RunConfig(task="fashion", model="m", backend="null", options={"k": 2, "split": "all"}, out=sys.argv[1])
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        run(config)
        os._exit(0)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


def killed(out: Path, kills: int, total: int, seed: int) -> int:
    """Kill a run `kills` times, then let it finish; returns how many kills hit it at work."""
    rng, hits = random.Random(seed), 0
    command = [sys.executable, "-c", WORKER, str(out)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, **pipes) as worker:
        before: set[str] = set()
        for _ in range(kills):
            worker.stdin.write("go\n")
            pid = int(worker.stdout.readline())
            time.sleep(rng.uniform(0.05, 0.35))
            with suppress(ProcessLookupError):  # it had finished
                os.kill(pid, signal.SIGKILL)
            hits += worker.stdout.readline().strip() == "-9"
            keys = done_keys(out / "samples.jsonl")
            assert before <= keys, "a whole row was lost"
            before = keys
            if len(keys) == total:
                (out / "samples.jsonl").unlink()
                before = set()
        worker.stdin.write("go\n")
        worker.stdout.readline()
        assert worker.stdout.readline().strip() == "0"
        worker.stdin.close()
    return hits


def check(tmp_path, kills, seed):
    config = {"task": "fashion", "model": "m", "backend": "null", "options": {"k": 2, "split": "all"}}
    whole = run(RunConfig(**config, out=str(tmp_path / "whole")))
    total = len(whole.rows)
    out = tmp_path / "killed"
    hits = killed(out, kills, total, seed)
    again = load_run(out)
    lines = [json.loads(line)["key"] for line in (out / "samples.jsonl").read_bytes().splitlines()]
    assert len(lines) == len(set(lines)) == total
    assert {row["key"] for row in again.rows} == {row["key"] for row in whole.rows}
    assert (out / "metrics.json").read_bytes() == (whole.path / "metrics.json").read_bytes()
    assert hits >= kills * 0.7


def test_killed_eight_times(tmp_path):
    check(tmp_path, 8, seed=1)


@pytest.mark.slow
def test_killed_200_times(tmp_path):
    check(tmp_path, 200, seed=2)
