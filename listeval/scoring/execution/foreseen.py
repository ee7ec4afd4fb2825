"""The calls that tests make for sure, read from their text: made ahead, they cost no wait each.

A call is foreseen where a test consists of one call of one name of the answer with literal arguments, which is made
whatever else the test does, and of nothing else that is the answer's to say. Then the calls of several tests can be
sent at once, and the answer sees nothing but what it would have seen: the same calls in the same order.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

_LITERALS = (ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.UnaryOp, ast.unaryop, ast.expr_context)
"""Not sets, whose order may depend on how they are made."""
_PERHAPS = (ast.BoolOp, ast.IfExp)
"""What may leave out a part of itself, as a chain of comparisons does."""


Call = tuple[str, tuple[Any, ...], dict[str, Any]]
"""Name, arguments and named arguments."""


def foreseen(tests: Iterable[str], names: Collection[str]) -> list[Call]:
    """The calls of the first tests, one each; `names` are the answer's.

    They end before the first test that has none. The tests have to be `pure` (`statements.Statement`).
    """
    calls: list[Call] = []
    for test in tests:
        call = _only_call(test, frozenset(names))
        if call is None:
            break
        calls.append(call)
    return calls


@lru_cache(maxsize=1 << 12)
def _only_call(test: str, names: frozenset[str]) -> Call | None:
    match ast.parse(test).body:
        case [ast.Assert(test=asserted) as statement]:
            nodes = list(ast.walk(asserted))
        case _:
            return None
    theirs = [node for node in ast.walk(statement) if isinstance(node, ast.Name) and node.id in names]
    calls = [node for node in nodes if isinstance(node, ast.Call) and any(node.func is name for name in theirs)]
    if len(theirs) != 1 or len(calls) != 1 or any(map(_leaves_out, nodes)):
        return None
    (call,) = calls
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if not all(isinstance(node, _LITERALS) for value in given for node in ast.walk(value)):
        return None
    if any(keyword.arg is None for keyword in call.keywords):
        return None
    try:
        arguments = tuple(ast.literal_eval(value) for value in call.args)
        named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
        return theirs[0].id, arguments, named
    except (ValueError, TypeError):
        return None


def _leaves_out(node: ast.AST) -> bool:
    return isinstance(node, _PERHAPS) or (isinstance(node, ast.Compare) and len(node.ops) > 1)
