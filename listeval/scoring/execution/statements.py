"""What the text of a test says of itself, read once: whether it compiles, what it names, what it leaves behind."""

from __future__ import annotations

import ast
import builtins
import json
import marshal
import warnings
from functools import lru_cache
from types import CodeType
from typing import NamedTuple

from listeval.errors import first_line
from listeval.scoring.execution.foreseen import foreseen
from listeval.scoring.execution.program import Program

_BUILTINS = frozenset(vars(builtins))
_HARMLESS = frozenset(
    [
        "abs",
        "all",
        "any",
        "bool",
        "bytes",
        "chr",
        "complex",
        "dict",
        "divmod",
        "enumerate",
        "filter",
        "float",
        "format",
        "frozenset",
        "hex",
        "int",
        "isinstance",
        "issubclass",
        "iter",
        "len",
        "list",
        "map",
        "max",
        "min",
        "next",
        "oct",
        "ord",
        "pow",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "sorted",
        "str",
        "sum",
        "tuple",
        "type",
        "zip",
    ]
)
"""Builtins that change nothing but what they are given."""
_PURE_MODULES = frozenset(
    [
        "bisect",
        "cmath",
        "collections",
        "copy",
        "datetime",
        "fractions",
        "functools",
        "heapq",
        "itertools",
        "math",
        "operator",
        "re",
        "statistics",
        "string",
        "sys",
        "typing",
    ]
)
"""Modules of whose functions the same holds."""
_EXPRESSIONS = (
    *(ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.keyword, ast.Load),
    *(ast.Assert, ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Name, ast.Compare, ast.BoolOp, ast.BinOp),
    *(ast.UnaryOp, ast.IfExp, ast.Subscript, ast.Slice, ast.Starred, ast.Call, ast.Attribute, ast.Module),
)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Statement(NamedTuple):
    """`flaw`: why it does not compile, empty where it does. `names`: what it reads. `binds`: what it defines.

    `pure`: it is assertions that can leave nothing behind in the process that runs them. `code`: compiled; the
    interpreter inside the sandbox is this one's base, and so of the same version.
    """

    flaw: str
    names: frozenset[str]
    binds: frozenset[str]
    pure: bool
    code: CodeType | None


@lru_cache(maxsize=1 << 14)
def read(source: str) -> Statement:
    """The facts of a statement."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(source)
            # Not as this interpreter was started: -O would leave no assertion in it.
            code = compile(source, "<test>", "exec", dont_inherit=True, optimize=0)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return Statement(f"does not compile: {first_line(error)}", frozenset(), frozenset(), False, None)
    nodes = list(ast.walk(tree))
    named = [node for node in nodes if isinstance(node, ast.Name)]
    names = frozenset(node.id for node in named if isinstance(node.ctx, ast.Load))
    binds = {node.id for node in named if not isinstance(node.ctx, ast.Load)}
    binds.update(node.name for node in nodes if isinstance(node, _DEFINITIONS))
    binds.update((node.asname or node.name).partition(".")[0] for node in nodes if isinstance(node, ast.alias))
    return Statement("", names, frozenset(binds), all(map(_pure, nodes)), code)


def _pure(node: ast.AST) -> bool:
    if not isinstance(node, _EXPRESSIONS):
        return False
    if not isinstance(node, ast.Call):
        return True
    called = node.func
    if isinstance(called, ast.Name):
        return called.id not in _BUILTINS or called.id in _HARMLESS
    while isinstance(called, ast.Attribute):
        called = called.value
    return not isinstance(called, ast.Name) or called.id in _PURE_MODULES


@lru_cache(maxsize=1 << 10)
def _imports_only(setup: str) -> bool:
    return all(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(setup).body)


def leave_nothing(program: Program) -> bool:
    """Whether the process that ran these tests is the same as before, however the answer behaved.

    Raises SyntaxError for a setup that does not compile.
    """
    return _imports_only(program.setup) and all(read(test).pure for test in program.tests)


def asked(program: Program) -> tuple[str, ...]:
    """The names that tests leave to the answer. That of a builtin is one where the program says so, or where tests
    name nothing else that the answer could define."""
    facts = [read(statement) for statement in (program.setup, *program.tests)]
    free = frozenset[str]().union(*(fact.names for fact in facts[1:])).difference(*(fact.binds for fact in facts))
    named = free - _BUILTINS
    return tuple(sorted(named | _BUILTINS.intersection(program.names or (() if named else free))))


def examination(program: Program) -> str:
    """JSON of all but the code, without the brackets: the setup, the names asked for, whether the tests leave nothing,
    and what their process is told (`examiner.Examination`), as marshal writes it, in hexadecimal."""
    return _examination(program._replace(code=""))


@lru_cache(maxsize=1 << 10)
def _examination(program: Program) -> str:
    names, pure = asked(program), leave_nothing(program)
    calls = foreseen(program.tests, names) if pure else []
    told = program.setup, [read(test).code for test in program.tests], names, pure, calls
    examined = marshal.dumps(told).hex() if program.tests else ""
    return json.dumps([program.setup, names, pure, examined])[1:-1]
