"""The rooms of the house, what each is for, and which imports which: all read from the code."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from docs.tools.imports import Module, arrows, house, room

_FOLDERS = {"tasks": "The bundled task plug-ins, one folder each", "templates": "What `listeval tasks new` writes"}
"""Rooms without a module of their own that could say it."""


class Room(NamedTuple):
    """A folder or file of its own."""

    name: str
    purpose: str
    imports: frozenset[str]
    """Rooms that it imports, inside functions too; those that only types need are not counted."""


def rooms_of_listeval() -> dict[str, Room]:
    """Rooms of `listeval`, with `listopd` and `tasks` as one room each."""
    return _rooms(house(), room)


def rooms_of_listopd() -> dict[str, Room]:
    """Rooms of `listopd` alone."""
    own = {name: module for name, module in house().items() if name.split(".")[0] == "listopd"}
    return _rooms(own, lambda name: name.partition(".")[2].partition(".")[0] or "listopd")


def _rooms(modules: Mapping[str, Module], room_of: Callable[[str], str]) -> dict[str, Room]:
    inside: dict[str, list[Module]] = defaultdict(list)
    for name, module in modules.items():
        inside[room_of(name)].append(module)
    imported: dict[str, set[str]] = defaultdict(set)
    for start, end in arrows(dict(modules)):
        if room_of(start) != room_of(end):
            imported[room_of(start)].add(room_of(end))
    return {
        name: Room(name, _FOLDERS.get(name) or _purpose(own), frozenset(imported[name]))
        for name, own in sorted(inside.items())
    }


def _purpose(modules: Iterable[Module]) -> str:
    """First sentence of the docstring of the room's topmost module."""
    first = min(modules, key=lambda module: (not module.package, module.name.count("."), module.name))
    text = " ".join((ast.get_docstring(first.tree) or "").split("\n\n")[0].split())
    return text.split(". ")[0].rstrip(".")


def layers(rooms: Mapping[str, Room]) -> list[list[str]]:
    """Rooms from the ground up: a room stands above all that it imports. Rooms that import each other share a layer."""
    reach = _reach({name: room.imports for name, room in rooms.items()})
    height: dict[str, int] = {}

    def climb(name: str) -> int:
        if name not in height:
            mates = {other for other in reach[name] if name in reach[other]} | {name}
            below = set().union(*(rooms[mate].imports for mate in mates)) - mates
            found = max(map(climb, sorted(below)), default=-1) + 1
            height.update(dict.fromkeys(mates, found))
        return height[name]

    for name in rooms:
        climb(name)
    return [[name for name in rooms if height[name] == at] for at in range(max(height.values()) + 1)]


def needed(rooms: Mapping[str, Room]) -> set[tuple[str, str]]:
    """Arrows that no longer way goes round: what is left says all that the whole set says of who stands on whom."""
    reach = _reach({name: room.imports for name, room in rooms.items()})

    def around(start: str, end: str) -> bool:
        between = rooms[start].imports - {end}
        return any(end in reach[other] and start not in reach[other] and other not in reach[end] for other in between)

    return {(start, end) for start, room in rooms.items() for end in room.imports if not around(start, end)}


def _reach(graph: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Everything that can be reached from each node."""
    found: dict[str, set[str]] = {}
    for start in graph:
        pending, seen = list(graph[start]), set[str]()
        while pending:
            node = pending.pop()
            if node not in seen:
                seen.add(node)
                pending += graph[node]
        found[start] = seen
    return found
