"""Whether no JSON value fits two of the options of a schema's `oneOf`: only then does it admit what `anyOf` does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from listeval.contract.schema_nodes import followed

_OBJECT = frozenset({"object"})


def disjoint(options: Sequence[Any], root: Mapping[str, Any]) -> bool:
    """Whether the options cannot overlap, as far as types, listed values and required tags show it.

    True is certain; False also stands for what was not found out. `root` is what references point into.
    """
    nodes = [_followed(option, root) for option in options]
    return all(_apart(one, other, root) for one, other in combinations(nodes, 2))


def _apart(one: Mapping[str, Any], other: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    types = _types(one), _types(other)
    if None not in types and types[0].isdisjoint(types[1]):  # type: ignore[union-attr, arg-type]
        return True
    listed = _listed(one), _listed(other)
    if None not in listed:
        return listed[0].isdisjoint(listed[1])  # type: ignore[union-attr, arg-type]
    # A property that both must have, with values that they do not share, tells them apart.
    tags = set(one.get("required", ())) & set(other.get("required", ()))
    own = (one.get("properties", {}), other.get("properties", {}))
    values = ([_listed(_followed(side.get(tag), root)) for side in own] for tag in tags)
    return types == (_OBJECT, _OBJECT) and any(
        first is not None and second is not None and first.isdisjoint(second) for first, second in values
    )


def _followed(node: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The node, or what it refers to; empty where that is no mapping, or nothing."""
    try:
        found = followed(node, root)
    except LookupError:
        return {}
    return found if isinstance(found, dict) else {}


def _types(node: Mapping[str, Any]) -> frozenset[str] | None:
    """The JSON types that fit; None for all. An integer is a number."""
    kinds = node.get("type")
    if kinds is None:
        return None
    named = [kinds] if isinstance(kinds, str) else kinds
    return frozenset("number" if kind == "integer" else kind for kind in named)


def _listed(node: Mapping[str, Any]) -> frozenset[str] | None:
    """The values that fit, as JSON; None where they are not listed. 1 and 1.0 are one value."""
    if "const" not in node and "enum" not in node:
        return None
    values = [node["const"]] if "const" in node else node["enum"]
    return frozenset(json.dumps(_plain(value), sort_keys=True) for value in values)


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
