"""What tests ask of a program: the names that it must define, and the modules that must be there."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterator
from symtable import SymbolTable, symtable


def wanted(tests: str, reference: str) -> list[str]:
    """The names that `tests` use and leave to the program, in the order of their first use.

    Where the reference solution defines some of them, only those: tests may also use builtins. Python's own
    symbol table decides, so that nested calls, `set(f(x))`, methods, lambdas and comprehensions need no rule here.
    Raises SyntaxError where the tests do not compile.
    """
    free = _free(tests)
    try:
        defined = {symbol.get_name() for symbol in symtable(reference, "code", "exec").get_symbols()}
    except (SyntaxError, ValueError):
        defined = set()
    left = (free & defined) or free - vars(builtins).keys()
    return [word for word in dict.fromkeys([*re.findall(r"\w+", tests), *sorted(left)]) if word in left]


def modules(source: str) -> set[str]:
    """Top-level names of the modules that `source` imports."""
    found: set[str] = set()
    if "import" not in source:
        return found
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def missing_modules(source: str) -> list[str]:
    """The modules that `source` imports and the standard library, which is all that the sandbox has, lacks."""
    return sorted(modules(source) - sys.stdlib_module_names)


def _free(source: str) -> set[str]:
    """Names that are read as globals and never bound."""
    top = symtable(source, "tests", "exec")
    bound = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    return {name for table in _tables(top) for name in _read(table, table is top)} - bound


def _tables(table: SymbolTable) -> Iterator[SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _tables(child)


def _read(table: SymbolTable, is_module: bool) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (is_module or symbol.is_global()):
            yield symbol.get_name()
