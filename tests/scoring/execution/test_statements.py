"""Tests are compiled once, at the host, as the interpreter inside would."""

from __future__ import annotations

import subprocess
import sys

import pytest

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


HELPERS = {
    "function": ("def g(x): return f(x)", "g(1) == 2"),
    "lambda": ("g = lambda x: f(x)", "g(1) == 2"),
    "method": ("class T:\n def g(self): return f(1)", "T().g() == 2"),
    "generator": ("def g():\n for x in (1, 2): yield f(x)", "list(g()) == [2, 3]"),
    "default": ("def g(x, by=sorted): return by([f(x)])", "g(1) == [2]"),
    "helper of a helper": ("def h(x): return f(x)\ndef g(x): return h(x)", "g(1) == 2 and h(2) == 3"),
    "what the call does to its argument": ("def g():\n x = [1]\n append(x)\n return x", "g() == [1, 2]"),
    "callback": ("def g(): return apply(lambda x: f(x), 1)", "g() == 2"),
}
ANSWER = "def f(x): return x + 1\ndef append(x): x.append(2)\ndef apply(one, x): return one(x)"


@pytest.mark.parametrize("name", HELPERS)
def test_functions_of_the_setup_can_call_the_answer(sandbox, name):  # noqa: F811
    setup, test = HELPERS[name]
    programs = [Program(ANSWER, (f"assert {test}",) * 2, setup), Program(ANSWER, (f"assert not ({test})",), setup)]
    other = Program(ANSWER.replace("x + 1", "x + 7").replace("append(2)", "append(7)"), (f"assert {test}",), setup)
    ran = sandbox.run([*programs, other, programs[0]])
    assert [one.outcome for one in ran] == [Outcome.OK, Outcome.ASSERTION, Outcome.ASSERTION, Outcome.OK], ran


@pytest.mark.parametrize("setup", ["g = f(1)", "def g(): return f(1)\ng()", "class T:\n x = f"])
def test_a_setup_cannot_call_the_answer_while_it_runs(sandbox, setup):  # noqa: F811
    (ran,) = sandbox.run([Program(ANSWER, ("assert f(1) == 2",), setup)])
    assert (ran.outcome, ran.detail) == (Outcome.SANDBOX, "setup: NameError: name 'f' is not defined")


def test_what_the_setup_defines_is_what_its_functions_call(sandbox):  # noqa: F811
    setup = "def f(x): return -x\ndef g(x): return f(x)"
    (ran,) = sandbox.run([Program(ANSWER, ("assert g(1) == -1 and f(1) == -1",), setup)])
    assert ran.outcome is Outcome.OK, ran
