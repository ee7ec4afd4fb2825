"""Tests are compiled once, at the host, as the interpreter inside would."""

from __future__ import annotations

import subprocess
import sys

from listeval.scoring.execution import Outcome, Program
from tests.scoring.execution.conftest import sandbox  # noqa: F401 - a fixture

COMPILED = """
from listeval.scoring.execution.statements import read
exec(read("assert 1 == 2, 'it is there'").code)
"""
NAMES = [f"a_function_with_a_name_{number}" for number in range(1000)]


def test_a_host_that_runs_without_assertions_sends_them_all_the_same():
    done = subprocess.run([sys.executable, "-O", "-c", COMPILED], capture_output=True, text=True)
    assert "AssertionError: it is there" in done.stderr


def test_more_names_than_a_packet_takes_are_asked_for_one_by_one(sandbox):  # noqa: F811
    code = "".join(f"def {name}(): return {number}\n" for number, name in enumerate(NAMES))
    total = "+".join(f"{name}()" for name in NAMES)
    right, wrong = (f"assert {total} == {sum(range(1000)) + more}" for more in (0, 1))
    ran = sandbox.run([Program(code, (right,)), Program(code, (wrong,))])
    assert [one.outcome for one in ran] == [Outcome.OK, Outcome.ASSERTION]


def test_a_statement_that_ends_the_process_before_its_proof_is_the_answers(sandbox):  # noqa: F811
    code = "import os\nos.write(3, b'x' * 60000)\nos.close(3)\nos._exit(0)"
    (ran,) = sandbox.run([Program(code, ("assert f(1) == 2",))])
    assert (ran.outcome, ran.detail) == (Outcome.EXCEPTION, "wrote on the runner's channel")
