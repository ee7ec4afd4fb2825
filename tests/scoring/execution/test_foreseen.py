"""Calls that tests are sure to make are made ahead, and no verdict turns by it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.scoring.execution import Outcome, Program
from listeval.scoring.execution.foreseen import foreseen
from tests.scoring.execution.conftest import sandbox  # noqa: F401 - a fixture

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner))


@given(st.lists(VALUES, max_size=3), st.dictionaries(st.sampled_from("xyz"), VALUES))
def test_a_foreseen_call_is_the_one_that_the_test_makes(arguments, named):
    made = []
    given = ", ".join([*map(repr, arguments), *(f"{name}={value!r}" for name, value in named.items())])
    test = f"assert f({given}) == 1"
    exec(compile(test, "<test>", "exec"), {"f": lambda *a, **k: made.append(("f", a, k)) or 1})
    found = foreseen([test], ["f"])
    assert repr(found) == repr(made)


@pytest.mark.parametrize("test", [
    "assert f(1) == g(2)", "assert f(1) == 2 and f(2) == 3", "assert 1 == 2 == f(1)", "assert f(f(1)) == 2",
    "assert f(x) == 2", "assert f({1, 2}) == 2", "assert (f(1) if 0 else 2) == 2", "assert f(*[1]) == 2",
    "assert f(1) == y", "x = f(1)", "assert f == 2", "assert f(1), f(2)", "assert f(**{'x': 1})",
])  # fmt: skip
def test_a_call_that_may_not_be_made_or_that_others_see_is_not_foreseen(test):
    assert foreseen([test, "assert f(1) == 1"], ["f", "g", "x", "y"]) == []


COUNTED = "calls = []\ndef f(x):\n    calls.append(x)\n    return {}\n"
PROGRAMS = {
    "the same order": (COUNTED.format("len(calls)"), *(f"assert f({x}) == {x + 1}" for x in range(12))),
    "an object, and what it is before the next call": (
        "class L(list): pass\nseen = L()\ndef f(x):\n    seen.append(x)\n    return seen\n",
        "assert f(1) == [1]", "assert f(2) == [1, 2]", "assert len(f(3)) == 3", "assert f(4)[3] == 4",
    ),
    "long results": ("def f(x): return [x] * 90000", *(f"assert f({x}) == [{x}] * 90000" for x in range(12))),
    "a method of a result": ("def f(x): return str(x)", *(f"assert f({x}).isdigit()" for x in range(12))),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_a_test_sees_is_as_if_each_call_waited(sandbox, name):  # noqa: F811
    code, *tests = PROGRAMS[name]
    (ran,) = sandbox.run([Program(code, tuple(tests))])
    assert ran.outcome is Outcome.OK, ran


ENDS = {
    "exit": "import os; os._exit(0)",
    "sleep": "import time; time.sleep(600)",
    "memory": "[0] * (1 << 40)",
    "words on the channel": "import os; os.write(3, b'!1')",
}


@pytest.mark.parametrize("name", ENDS)
def test_what_a_later_call_does_is_nothing_to_the_test_that_fails_before(sandbox, name):  # noqa: F811
    code = f"def f(x):\n    if x == 2:\n        {ENDS[name]}\n    return x"
    program = Program(code, ("assert f(1) == 7", *(f"assert f({x}) == {x}" for x in range(2, 9))))
    assert {ran.outcome for ran in sandbox.run([program] * 40)} == {Outcome.ASSERTION}


def test_an_answer_that_answers_what_it_was_not_yet_asked_gains_nothing(sandbox):  # noqa: F811
    code = "import os\ndef f(x):\n    os.write(3, b'!1')\n    os.write(3, b'!2')\n    return 3"
    (ran,) = sandbox.run([Program(code, ("assert f(1) == 4", "assert f(2) == 5"))])
    assert ran.outcome is Outcome.ASSERTION, ran


def test_a_name_that_a_star_import_binds_is_not_the_answers(sandbox):  # noqa: F811
    code = "def gcd(a, b): return 7\ndef f(x): return x"
    tests = ("assert f(1) == 1", "assert gcd(12, 18) == 6", "assert f(2) == 2")
    (ran,) = sandbox.run([Program(code, tests, "from math import *")])
    assert ran.outcome is Outcome.OK, ran
