"""What the sandbox's docstring says it does not cover, shown: each lie below works, and each limit is there."""

from __future__ import annotations

import pytest

from listeval.scoring.execution import Outcome, Program
from tests.hostile.forgeries import LIAR
from tests.scoring.execution.conftest import any_sandbox  # noqa: F401 - a fixture

LIES = {
    "its truth": ("def f(x): return Liar()", "assert f(1)"),
    "its length": ("class L(Liar):\n __len__ = lambda s: 3\ndef f(x): return L()", "assert len(f(1)) == 3"),
    "what it contains": ("def f(x): return Liar()", "assert 7 in f(1)"),
    "its text": ("def f(x): return Liar()", "assert str(f(1)) == '2'"),
    "the number it converts to": (
        "class L(Liar):\n __int__ = lambda s: 2\ndef f(x): return L()",
        "assert int(f(1)) == 2",
    ),
    "an attribute of what an operator made": (
        "class L(Liar):\n __sub__ = lambda s, o: type('R', (), {'x': 0})()\ndef f(x): return L()",
        "assert (f(1) - 28.27).x == 0",
    ),
    "its equal": ("def f(x): return Liar()", "assert f(1) == f(2)"),
}
LIMITS = {
    "a subclass in a test": ("class A: pass", "class B(A): pass\nassert B()"),
    "pickled by a test": ("class A: pass", "import pickle\nassert pickle.dumps(A())"),
    "an object of a test's own": ("def f(x): return x.y", "class C: y = 1\nassert f(C()) == 1"),
}


def test_operators_of_a_values_subclass_are_the_builtin_types(any_sandbox):  # noqa: F811
    code = "class P(tuple):\n __add__ = lambda s, o: P((s[0] + o[0],))\ndef f(): return P((1,))"
    (ran,) = any_sandbox.run([Program(code, ("assert f() + (2,) == (1, 2)",))])
    assert ran.outcome is Outcome.OK, ran


@pytest.mark.parametrize("name", LIES)
def test_an_answers_own_object_is_believed_about(any_sandbox, name):  # noqa: F811
    code, test = LIES[name]
    (ran,) = any_sandbox.run([Program(LIAR + code, (test,))])
    assert ran.outcome is Outcome.OK, ran


@pytest.mark.parametrize("name", LIMITS)
def test_a_test_cannot(any_sandbox, name):  # noqa: F811
    code, test = LIMITS[name]
    (ran,) = any_sandbox.run([Program(code, (test,))])
    assert ran.outcome is Outcome.EXCEPTION, ran


def test_module_state_is_the_answers_own(any_sandbox):  # noqa: F811
    code = "import sys\nsys.setrecursionlimit(77)\ndef f(): return sys.getrecursionlimit()"
    (ran,) = any_sandbox.run(
        [Program(code, ("assert f() == 77", "import sys\nassert sys.getrecursionlimit() == 1000"))]
    )
    assert ran.outcome is Outcome.OK, ran


def test_a_worse_verdict_can_be_chosen_but_none_that_excuses(any_sandbox):  # noqa: F811
    (ran,) = any_sandbox.run([Program("import os\nos._exit(71)", ("assert f(1) == 2",))])
    assert ran.outcome is Outcome.MEMORY
