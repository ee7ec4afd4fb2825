"""A verb ends as ever where standard streams that it was started with are closed, and no file gets their numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product

import pytest

CLOSED = [numbers for numbers in product((False, True), repeat=3) if any(numbers)]
PROGRAM = """
import os, sys
import listeval.cli.main as verbs
from listeval.__main__ import main
verb = verbs.main

def run():
    with open(os.devnull) as file:
        assert file.fileno() > 2
    assert not sys.stdin.isatty() and not sys.stderr.isatty()
    verb()

verbs.main = run
main()
"""


def ended(argument: list[str], closed: tuple[bool, ...], processes: str) -> subprocess.CompletedProcess[str]:
    gone = " ".join(f"{number}>&-" for number, one in enumerate(closed) if one)
    command = ["sh", "-c", f'exec "$@" {gone}', "sh", sys.executable, "-c", PROGRAM, *argument]
    env = os.environ | {"WORLD_SIZE": processes}
    return subprocess.run(command, env=env, input="", capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize("closed", CLOSED, ids=str)
def test_a_verb_ends_as_ever(closed: tuple[bool, ...], processes: str) -> None:
    told, refused = ended(["tasks", "list"], closed, processes), ended(["frobnicate"], closed, processes)
    assert (told.returncode, refused.returncode) == (0, 2)
    assert ("fashion" in told.stdout) != closed[1] and told.stderr == ""
    assert refused.stdout == "" and (refused.stderr.count("\n") == 1) != closed[2]
