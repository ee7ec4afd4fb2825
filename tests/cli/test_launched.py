"""A process launched beside others ends with its exit code and all its words, before Python takes itself apart."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import atexit, os, sys
import listeval.cli.main as verbs
from listeval.__main__ import main

class Held:
    def __del__(self, write=os.write):
        write(2, b"taken apart")

def run(verb=verbs.main):
    atexit.register(print, "registered by what ran")
    if sys.argv[1] == "bug":
        raise RuntimeError("a bug")
    verb()

verbs.main = run
sys.modules["held"] = Held()
main()
"""


def ended(processes: str, argument: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"WORLD_SIZE": processes}
    command = [sys.executable, "-c", PROGRAM, argument]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("argument", "code", "said"),
    [("--version", 0, "listeval, version"), ("frobnicate", 2, "unknown command"), ("bug", 1, "RuntimeError: a bug")],
)
@pytest.mark.parametrize(("processes", "apart"), [("1", True), ("2", False)])
def test_the_end_of_a_process(processes: str, apart: bool, argument: str, code: int, said: str) -> None:
    done = ended(processes, argument)
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert done.stdout.endswith("registered by what ran\n")
    assert ("taken apart" in done.stderr) == apart
