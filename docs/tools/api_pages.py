"""The API reference: one entry for each public name. What an entry says is read from docstrings when it is built."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

import listeval
from docs.tools.imports import house, room
from docs.tools.rooms import rooms_of_listeval

_TYPES = "types"


def harness() -> str:
    """The page of what `listeval` exports, grouped by the room that a name lives in."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(getattr(listeval, "__all__")):  # noqa: B009 - read from its imports when it is first asked for
        home = str(getattr(getattr(listeval, name), "__module__", ""))
        groups[room(home) if home.startswith("listeval.") else _TYPES].append(name)
    lines, rooms = ["# `listeval`\n", _first_lines("listeval")], rooms_of_listeval()
    for group in sorted(groups, key=lambda group: (group == _TYPES, group)):
        lines.append(f"## {group}\n\n{rooms[group].purpose if group in rooms else 'Annotations for fields'}.\n")
        lines += (f"::: listeval.{name}\n" for name in groups[group])
    return "\n".join(lines)


def trainer() -> str:
    """The page of what the packages of `listopd` export; the objectives, which export by module, as a whole."""
    return "\n".join(["# `listopd`\n", _first_lines("listopd"), *_packages()])


def _packages() -> Iterator[str]:
    for name, module in sorted(house().items()):
        if not module.package or name.split(".")[0] != "listopd":
            continue
        exported = _exported(module.tree)
        if exported:
            yield f"## `{name}`\n\n{_first_lines(name)}"
            yield from (f"::: {name}.{public}\n" for public in exported)
    yield f"## `listopd.objective`\n\n{_first_lines('listopd.objective')}"
    yield from (f"::: {name}\n" for name in sorted(house()) if name.startswith("listopd.objective."))


def _first_lines(name: str) -> str:
    return (ast.get_docstring(house()[name].tree) or "") + "\n"


def _exported(tree: ast.Module) -> list[str]:
    """What `__all__` names."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return sorted(ast.literal_eval(node.value))
    return []
