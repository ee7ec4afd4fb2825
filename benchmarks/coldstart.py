"""From a command to its first sign of life, in fresh processes: help, lists, a whole run of one sample, first prompt.

Files are warm in the page cache (nobody's first start after a boot is measured). A first prompt is ready when its
request is handed to the engine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from benchmarks.harness import Goal, Report, arguments, publish, take_turns
from benchmarks.peers.client import ROOT
from benchmarks.tiny import write_checkpoint
from listeval.models.cpu import wait_passively

HELP_S, PROMPT_S = 0.15, 1.0
OURS = [sys.executable, "-m", "listeval"]
HELP, LIST, RUN = "listeval --help", "listeval tasks list", "listeval run, null engine, 1 sample"
FIRST_NULL = "process start to first request, null engine"
FIRST_HF = "model open to first request, tiny checkpoint, hf"
OPEN_HF = "process start to model open, tiny checkpoint, hf"
PEERS = {
    "lm-eval --help": ("lm-eval", "--help"),
    "inspect --help": ("inspect", "--help"),
}
GOALS = {HELP: HELP_S, FIRST_HF: PROMPT_S}


def main() -> None:
    """Everyone in turn, once to warm up and then in rounds."""
    options = arguments(__doc__, rounds=5, peers=True)
    report = Report("coldstart")
    with tempfile.TemporaryDirectory() as scratch:
        opened: list[float] = []
        measures = ours(Path(scratch), opened)
        for name, (script, *more) in PEERS.items() if options.peers else ():
            command = [beside(options.peers, script), *more]
            measures[name] = lambda c=command: wall(c)  # type: ignore[misc]
        take_turns(measures, rounds=1)
        opened.clear()
        seconds = take_turns(measures, rounds=options.rounds)
        if opened:
            seconds[OPEN_HF] = opened
    for name, found in seconds.items():
        report.figure("fresh process", name, found, "s", GOALS.get(name))
    for peer in [name for name in PEERS if name in seconds]:
        report.compare("fresh process", seconds, HELP, peer, Goal(most=0.1))
    if options.peers:
        # It reads some ten thousand files and takes a minute, so it is no part of the rounds.
        report.facts["lm-eval ls tasks, once"] = f"{wall([beside(options.peers, 'lm-eval'), 'ls', 'tasks']):.3g} s"
    publish(report, ["click", "pydantic", "torch", "transformers"], dry=options.dry)


def ours(scratch: Path, apart: list[float]) -> dict[str, Callable[[], float]]:
    """Our measures; the hf backend's, where it is installed, puts the time until its model is open into `apart`."""
    folders = (str(scratch / f"run{number}") for number in count())
    null = ["run", "--task", "fashion", "--model", "null", "--backend", "null", "--limit", "1", "--quiet"]
    measures: dict[str, Callable[[], float]] = {
        HELP: lambda: wall([*OURS, "--help"]),
        LIST: lambda: wall([*OURS, "tasks", "list"]),
        RUN: lambda: wall([*OURS, *null, "--out", next(folders)]),
        FIRST_NULL: lambda: first_prompt("null", "null", next(folders))[1],
    }
    if find_spec("transformers") and find_spec("torch"):
        wait_passively()
        model = scratch / "model"
        write_checkpoint(model, [path.read_text() for path in sorted((ROOT / "tasks" / "fashion").glob("*.md"))])

        def from_open() -> float:
            opened, handed = first_prompt("hf", str(model), next(folders))
            apart.append(opened)
            return handed - opened

        measures[FIRST_HF] = from_open
    return measures


def beside(python: str, script: str) -> str:
    """A script of the environment whose interpreter is `python`."""
    return str(Path(python).parent / script)


def wall(command: Sequence[str]) -> float:
    """Seconds from start to exit. Raises CalledProcessError where it fails; 1 is a run with errored samples."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, cwd=ROOT, env=environment(), check=False)
    seconds = time.perf_counter() - start
    if done.returncode > 1:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return seconds


def first_prompt(backend: str, model: str, out: str) -> tuple[float, float]:
    """Seconds from process start until the model was open and until the first request was handed over."""
    start = time.monotonic()
    command = [sys.executable, "-m", "benchmarks.first_prompt", backend, model, out]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(), check=True)
    at = json.loads(done.stdout.splitlines()[-1])
    return at["opened"] - start, at["handed"] - start


def environment() -> dict[str, str]:
    """Ours, with no network to wait for."""
    return {**os.environ, "HF_HUB_OFFLINE": "1"}


if __name__ == "__main__":
    main()
