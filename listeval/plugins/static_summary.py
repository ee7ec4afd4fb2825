"""What a folder task says of itself, read from its `task.py` without running any of it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

from listeval.plugins.code import parsed

_MOST = 1 << 20


class StaticSummary(NamedTuple):
    """`name` and `summary` where they stand as plain strings, else empty; `fault` is why the task cannot work."""

    name: str = ""
    summary: str = ""
    fault: str = ""


def read_static_summary(folder: Path) -> StaticSummary:
    """Look at the task in `folder`. No fault is no promise that it works: only an import shows that."""
    file = folder / "task.py"
    try:
        source = file.read_bytes()
        if len(source) > _MOST:
            return StaticSummary()
        tree = parsed(source)
    except SyntaxError as error:
        line = f" at line {error.lineno}" if error.lineno else ""
        return StaticSummary(fault=f"task.py does not parse{line}: {error.msg}")
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        return StaticSummary(fault=f"task.py cannot be read: {type(error).__name__}")
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    if not classes:
        return StaticSummary(fault="task.py defines no class, so no Task")
    found = [said for said in map(_said, classes) if "name" in said]
    if len(found) != 1:
        return StaticSummary()
    name = found[0]["name"]
    if name != folder.name:
        return StaticSummary(name, found[0].get("summary", ""), f"it calls itself '{name}'")
    return StaticSummary(name, found[0].get("summary", ""))


def _said(node: ast.ClassDef) -> dict[str, str]:
    """Plain strings that the class binds to `name` and `summary`."""
    found: dict[str, str] = {}
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            pairs: list[tuple[ast.expr, ast.expr]] = [(statement.target, statement.value)]
        elif isinstance(statement, ast.Assign):
            pairs = [pair for target in statement.targets for pair in _pairs(target, statement.value)]
        else:
            continue
        for target, value in pairs:
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[target.id] = value.value
    return {name: found[name] for name in ("name", "summary") if name in found}


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """`name, version = "own", 1` as its single assignments."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]
