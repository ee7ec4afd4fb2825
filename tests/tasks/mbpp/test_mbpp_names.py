"""Which names tests leave to a program, whatever form the tests have."""

from __future__ import annotations

import pytest

from tasks.mbpp.names import missing_modules, modules, wanted

CASES = {
    "plain": ("assert f(1) == 2", "def f(x): return x", ["f"]),
    "in a builtin": ("assert set(f(1)) == {2}", "def f(x): return x", ["f"]),
    "with a module": ("import math\nassert math.isclose(f(1), 2.5)", "def f(x): return x", ["f"]),
    "not": ("assert not f('x')", "def f(x): return x", ["f"]),
    "nested": ("assert f(g(1), [g(x) for x in (1, 2)]) == 1", "def g(x): pass\ndef f(x, y): pass", ["f", "g"]),
    "only one is of the reference": ("assert f(helper(1))", "def f(x): pass", ["f"]),
    "class": ("root = Node(1)\nroot.left = Node(2)\nassert f(root)", "class Node: pass\ndef f(x): pass", ["Node", "f"]),
    "shadows a builtin": ("assert sum(10, 15) == 6", "def sum(a, b): pass", ["sum"]),
    "lambda": ("assert f(lambda y: h(y)) == 2", "def f(x): pass\ndef h(x): pass\ny = 1", ["f", "h"]),
    "comprehension's own name": ("assert [f(y) for y in (1, 2)] == []", "y = 1\ndef f(x): pass", ["f"]),
    "assigned": ("f = lambda x: g(x)\nassert f(1)", "def g(x): pass\ndef f(x): pass", ["g"]),
    "by assignment": ("assert f(1)", "f = lambda x: x", ["f"]),
    "from an import": ("assert f(1)", "from math import sqrt as f", ["f"]),
    "broken reference": ("assert len(f(1)) == 2", "def f(:", ["f"]),
    "no reference": ("assert f(1) == max(1, 2)", "x = 1", ["f"]),
    "none": ("assert max(1, 2) == 2", "def f(x): pass", []),
    "order of use": ("assert b(a(1)) and a(2)", "def a(x): pass\ndef b(x): pass", ["b", "a"]),
}


@pytest.mark.parametrize("case", CASES)
def test_wanted(case):
    tests, reference, names = CASES[case]
    assert wanted(tests, reference) == names


def test_modules():
    assert modules("import os.path, numpy as np\nfrom collections.abc import Set\nfrom . import x") == {
        "os", "numpy", "collections",
    }  # fmt: skip
    assert missing_modules("def f():\n    from scipy.stats import norm\nimport math") == ["scipy"]
