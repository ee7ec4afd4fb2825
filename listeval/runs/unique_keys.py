"""YAML and JSON that a user wrote, in which no key stands twice: their parsers keep the last one without a word."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

from listeval.errors import UserError
from listeval.runs.plain_yaml import load_plain

_FIX = "keep one of them"


def yaml_values(text: str, place: str, *, lines: bool = True) -> Any:
    """What the text says; nothing of it runs code. `lines`: `place` is a file, and the line is said.

    Raises UserError for a key that stands twice, and as `load_plain`.
    """
    value = load_plain(text)
    refuse_repeated(yaml.compose(text, Loader=yaml.SafeLoader), place, lines=lines)
    return value


def json_values(text: str, place: str) -> Any:
    """What the text says. Raises UserError for a key that stands twice; ValueError and RecursionError for no JSON."""

    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise UserError(f"the key '{name}' stands twice", place=place, fix=_FIX)
            found[name] = value
        return found

    return json.loads(text, object_pairs_hook=once)


def refuse_repeated(root: yaml.Node | None, place: str, *, lines: bool = True) -> None:
    """Raises UserError for a mapping in which a key stands twice, at any depth."""
    # Aliases make the nodes a graph: each is looked at once.
    seen: set[int] = set()
    found = [] if root is None else [root]
    while found:
        node = found.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            found += node.value
        elif isinstance(node, yaml.MappingNode):
            _refuse_repeated_key(node, place, lines=lines)
            found += [value for _, value in node.value]


def _refuse_repeated_key(node: yaml.MappingNode, place: str, *, lines: bool) -> None:
    known: set[str] = set()
    for key, _ in node.value:
        name = str(key.value)
        if name in known:
            where = f"{place}:{key.start_mark.line + 1}" if lines else place
            raise UserError(f"the key '{name}' stands twice", place=where, fix=_FIX)
        known.add(name)
