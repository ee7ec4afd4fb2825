"""The nodes of a JSON Schema: what is a schema in it, and what only looks like one (names of properties, values)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

NAMING = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords whose value maps names, not keywords, to schemas."""
LITERAL = frozenset({"enum", "const", "required", "dependentRequired"})
"""Keywords whose value holds no schema, whatever it looks like."""

Node = dict[str, Any]


def each_node(schema: Any, change: Callable[[Node], Node]) -> Any:
    """The schema with every node changed, the outermost first; the changed node's own parts are changed after it."""
    if isinstance(schema, list):
        return [each_node(item, change) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {keyword: _changed(keyword, value, change) for keyword, value in change(schema).items()}


def _changed(keyword: str, value: Any, change: Callable[[Node], Node]) -> Any:
    if keyword in LITERAL:
        return value
    if keyword in NAMING and isinstance(value, dict):
        return {name: each_node(item, change) for name, item in value.items()}
    return each_node(value, change)


def without(schema: Any, left_out: Collection[str]) -> Any:
    """The schema without some keywords, at every node."""
    if not left_out:
        return schema
    return each_node(schema, lambda node: {word: value for word, value in node.items() if word not in left_out})


def keywords(schema: Any) -> list[str]:
    """The keywords that a schema uses, the longest first."""
    found: set[str] = set()

    def note(node: Node) -> Node:
        found.update(node)
        return node

    each_node(schema, note)
    return sorted(found, key=lambda word: (-len(word), word))
