"""Values that a JSON Schema admits, and values that each of its keywords alone forbids.

Enough of JSON Schema for the schemas of contracts; a node that cannot be filled in (a pattern, say)
gives no probes, so a keyword without probes is `untested`, never believed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

STRANGER = "zq-none"
"""A word that no contract's enum holds."""

Node = Mapping[str, Any]


class Probe(NamedTuple):
    """A value of the whole schema that `keyword` forbids at one place."""

    keyword: str
    value: Any


class Unfillable(Exception):
    """No value of this node can be made up."""


def valid(schema: Node) -> Any:
    """A value that `schema` admits, with every property, one element more than none, and no optional length.

    Raises Unfillable for a node that needs a pattern, a format or a combination of schemas.
    """
    return _fill(schema, schema, 0)


def violations(schema: Node) -> Iterator[Probe]:
    """Probes of each keyword at each node that `valid` reaches."""
    yield from _probe(schema, schema, valid(schema), lambda value: value)


def _resolve(node: Any, root: Node) -> Node:
    if not isinstance(node, dict):
        return {}
    while "$ref" in node:
        at: Any = root
        for part in str(node["$ref"]).removeprefix("#/").split("/"):
            at = at[part]
        node = at
    for choice in ("anyOf", "oneOf"):
        if choice in node:
            return _resolve(node[choice][0], root)
    return dict(node)


def _fill(schema: Any, root: Node, depth: int) -> Any:
    node = _resolve(schema, root)
    if depth > 32 or {"pattern", "format", "allOf", "not", "if", "contains"} & node.keys():
        raise Unfillable
    if "const" in node:
        return node["const"]
    if "enum" in node:
        return node["enum"][0]
    kind = node.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    match kind:
        case "object":
            return {name: _fill(item, root, depth + 1) for name, item in node.get("properties", {}).items()}
        case "array":
            return [_fill(node.get("items", {}), root, depth + 1)] * max(1, node.get("minItems", 0))
        case "number" | "integer":
            return _number(node)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return "a" * max(1, node.get("minLength", 0))


def _number(node: Node) -> float:
    step = node.get("multipleOf", 1)
    if "minimum" in node:
        low = node["minimum"]
        return float(low) if low != int(low) else int(low)
    if "exclusiveMinimum" in node:
        return int(node["exclusiveMinimum"]) + int(step)
    if "maximum" in node or "exclusiveMaximum" in node:
        return int(node.get("maximum", node.get("exclusiveMaximum", 0))) - int(step)
    return int(step)


def _probe(schema: Any, root: Node, value: Any, put: Callable[[Any], Any]) -> Iterator[Probe]:
    """`put` makes the whole value from one that stands at this node."""
    node = _resolve(schema, root)
    for keyword in node:
        yield from (Probe(keyword, put(bad)) for bad in _bad(keyword, node, value))
    if isinstance(value, dict):
        for name, item in node.get("properties", {}).items():
            yield from _probe(item, root, value[name], _within(put, value, name))
    elif isinstance(value, list) and value:
        yield from _probe(node.get("items"), root, value[0], lambda new: put([new, *value[1:]]))


def _within(put: Callable[[Any], Any], value: dict[str, Any], name: str) -> Callable[[Any], Any]:
    return lambda new: put({**value, name: new})


def _bad(keyword: str, node: Node, value: Any) -> Iterator[Any]:
    """Replacements of `value` that `keyword` of `node` forbids, and as little else as can be."""
    limit = node[keyword]
    match keyword:
        case "enum" | "const":
            yield STRANGER if isinstance(value, str) else 987654
        case "type" if "enum" not in node and "const" not in node:
            yield STRANGER if not isinstance(value, str) else 5
            if limit == "integer":
                yield value + 0.5
        case "required":
            yield from ({name: item for name, item in value.items() if name != dropped} for dropped in limit)
        case "additionalProperties" if limit is False:
            yield {**value, STRANGER: 1}
        case "minItems" if limit > 0:
            yield value[: limit - 1]
        case "maxItems":
            yield [value[0]] * (limit + 1)
        case "uniqueItems" if limit and node.get("maxItems", 2) > 1:
            yield [value[0]] * max(2, node.get("minItems", 0))
        case "minLength" if limit > 0:
            yield "a" * (limit - 1)
        case "maxLength":
            yield "a" * (limit + 1)
        case "minimum":
            yield limit - 1
        case "maximum":
            yield limit + 1
        case "exclusiveMinimum" | "exclusiveMaximum":
            yield limit
        case "multipleOf" if limit >= 1:
            yield value + limit / 2


def with_unique_items(schema: Any) -> Any:
    """The schema with `uniqueItems` at every array: what a contract of distinct items would want to say."""
    if isinstance(schema, list):
        return [with_unique_items(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    unique = {"uniqueItems": True} if schema.get("type") == "array" else {}
    inner = {name: item if name in ("enum", "const") else with_unique_items(item) for name, item in schema.items()}
    return inner | unique
