"""The code as its import statements draw it: modules, and an arrow from each importer to what it imports.

The house rules (tests/test_house.py) and the map in the documentation read it. A module named only in a string is
not seen.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FOLDERS = {"listeval": ROOT, "training/listopd": ROOT / "training", "tasks": ROOT}
"""Product code, and the folder that its module names count from."""

Arrow = tuple[str, str]
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module(NamedTuple):
    """One file of the product."""

    name: str
    place: str
    lines: int
    tree: ast.Module
    package: bool

    def functions(self) -> Iterator[Function]:
        """Every function and method in it."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def imports(self, lazy: bool) -> Iterator[Arrow]:
        """Module and name of each import, those inside functions if `lazy`, those that only types need never."""
        pending: list[ast.AST] = [self.tree]
        while pending:
            node = pending.pop()
            if isinstance(node, ast.Import):
                yield from ((alias.name, "") for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((self._origin(node), alias.name) for alias in node.names)
            elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
                pending += node.orelse
            elif lazy or not isinstance(node, Function | ast.Lambda):
                pending += ast.iter_child_nodes(node)

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        above = self.name.split(".")
        above = above[: len(above) - node.level + self.package]
        return ".".join([*above, *([node.module] if node.module else [])])


def read(path: Path, base: Path) -> Module:
    """The module of a file, its name counted from `base`."""
    parts = path.relative_to(base).with_suffix("").parts
    package = parts[-1] == "__init__"
    source = path.read_text()
    name = ".".join(parts[: len(parts) - package])
    return Module(name, str(path.relative_to(ROOT)), len(source.splitlines()), ast.parse(source), package)


@cache
def house() -> dict[str, Module]:
    """Every module of the product by its name."""
    found = [read(path, base) for folder, base in FOLDERS.items() for path in (ROOT / folder).rglob("*.py")]
    return {module.name: module for module in found}


def arrows(modules: dict[str, Module], lazy: bool = True) -> set[Arrow]:
    """From importer to imported, both in `modules`; `from package import module` points at the module alone."""
    found = set()
    for module in modules.values():
        for origin, name in module.imports(lazy):
            end = whole if (whole := f"{origin}.{name}") in modules else origin
            if end in modules and end != module.name:
                found.add((module.name, end))
    return found


@cache
def drawn(lazy: bool = True) -> frozenset[Arrow]:
    """The arrows of the product, those of imports inside functions if `lazy`."""
    return frozenset(arrows(house(), lazy))


def room(name: str) -> str:
    """The part of the house that a module belongs to: a file or folder of `listeval`, or another top-level package."""
    parts = name.split(".")
    return parts[1] if parts[0] == "listeval" and len(parts) > 1 else parts[0]
