"""A real vLLM server for a run: the same answers as transformers in this process, and no process left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from listeval.runs import load_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("vllm") is None or find_spec("httpx") is None, reason="needs vLLM and httpx"),
]
COMMON = ["run", "--task", "fashion", "--model", "tiny-sft", "--max-tokens", "200", "--dtype", "float32", "--quiet"]


def command(*more: str) -> list[str]:
    return [sys.executable, "-m", "listeval", *COMMON, *more]


def run(*more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*more), capture_output=True, text=True, timeout=580, check=False)


def servers() -> list[str]:
    """Processes of a server that this user's runs have started."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "listeval.backends.served.supervisor" in words:
            found.append(words)
    return found


def answers(folder: Path) -> dict[str, Any]:
    return {row["example"]: row["text"] for row in load_run(folder).rows}


def test_a_served_permutation_is_that_of_this_process_and_nothing_stays(tmp_path: Path) -> None:
    before = len(servers())
    done = run("--limit", "4", "--serve", "--constraint", "permutation", "--out", str(tmp_path / "served"), "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["parse_rate"]["value"] == 1.0
    assert len(servers()) == before
    here = run("--limit", "4", "--backend", "hf", "--constraint", "permutation", "--out", str(tmp_path / "here"))
    assert here.returncode == 0, here.stderr[-2000:]
    assert answers(tmp_path / "served") == answers(tmp_path / "here")
    manifest = load_run(tmp_path / "served").manifest
    assert manifest.identity["serve"] is True
    assert manifest.identity["model"] == load_run(tmp_path / "here").manifest.identity["model"]
    assert manifest.backend.settings["served"] == "vllm serve"
    assert (tmp_path / "served" / "server.log").stat().st_size > 0


def test_a_killed_run_takes_its_server_along_and_goes_on(tmp_path: Path) -> None:
    before, out = len(servers()), tmp_path / "killed"
    arguments = ("--limit", "40", "--concurrency", "2", "--serve", "--out", str(out))
    began = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 500
    rows = out / "samples.jsonl"
    while time.monotonic() < end and began.poll() is None and not (rows.exists() and rows.stat().st_size):
        time.sleep(0.1)
    os.kill(began.pid, signal.SIGKILL)
    began.wait()
    end = time.monotonic() + 60
    while len(servers()) > before and time.monotonic() < end:
        time.sleep(0.2)
    assert len(servers()) == before
    done = run(*arguments)
    assert done.returncode in (0, 1), done.stderr[-2000:]
    assert len(load_run(out).rows) == 40
