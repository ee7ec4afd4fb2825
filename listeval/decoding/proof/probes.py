"""Values that a JSON Schema admits, and values that each of its keywords alone forbids.

Enough of JSON Schema for the schemas of contracts; a node that cannot be filled in (a combination of schemas, say)
gives no probes, so a keyword without probes is `untested`, never believed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from listeval.contract.schema_nodes import followed
from listeval.contract.schema_validator import schema_validator
from listeval.decoding.proof.sample_text import matching, not_matching, of_format

STRANGER = "zq-none"
"""A word that no contract's enum holds."""
STRANGE_NUMBER = 987654
"""A number that no contract's enum holds."""

Node = Mapping[str, Any]
Put = Callable[[Any], Any]
"""Makes the whole value from one that stands at some node."""
UNIONS = ("anyOf", "oneOf")


class Probe(NamedTuple):
    """A value of the whole schema that `keyword` forbids at one place."""

    keyword: str
    value: Any


class Unfillable(Exception):
    """No value of this node can be made up."""


def valid(schema: Node) -> Any:
    """A value that `schema` admits, with every property, one element more than none, and no optional length.

    Raises Unfillable for a node that needs a combination of schemas, or a pattern that no simple text matches.
    """
    return _fill(schema, schema, 0)


def example_answer(schema: Node) -> Any | None:
    """A value that `schema` admits, as `jsonschema` finds; None where none could be made up."""
    try:
        found = valid(schema)
    except (Unfillable, LookupError, TypeError, ValueError):
        return None
    return found if schema_validator(schema).is_valid(found) else None


def alternatives(schema: Node) -> Iterator[Probe]:
    """Values that `schema` admits by each option of its unions but the first, and what makes them a union."""
    for place in _places(schema, schema, valid(schema), lambda value: value):
        for word, options in _options(place.node):
            for option in options[1:]:
                try:
                    yield Probe(word, place.put(_fill(option, schema, 0)))
                except Unfillable:
                    continue


def violations(schema: Node) -> Iterator[Probe]:
    """Probes of each keyword at each node that `valid` reaches, every option of a union included."""
    admits = schema_validator(schema).is_valid
    for place in _places(schema, schema, valid(schema), lambda value: value, every=True):
        union = next((word for word in UNIONS if word in place.node), "")
        if union:
            strangers: list[Any] = [STRANGER, STRANGE_NUMBER, True, None, [], {}]
            yield from (Probe(union, bad) for bad in map(place.put, strangers) if not admits(bad))
            continue
        for keyword in place.node:
            found = (Probe(keyword, place.put(bad)) for bad in _bad(keyword, place.node, place.value))
            # Within a union another option may allow what this one forbids.
            yield from (probe for probe in found if keyword in _UNSEEN or not admits(probe.value))


_UNSEEN = ("format",)
"""Keywords that a validator does not check."""


def number_places(schema: Node) -> Iterator[Put]:
    """Where the value of `valid` has a number that is free within bounds."""
    for place in _places(schema, schema, valid(schema), lambda value: value):
        if place.node.get("type") in ("number", "integer") and not {"enum", "const"} & place.node.keys():
            yield place.put


class _Place(NamedTuple):
    """A node that says something, the value there, and how another value is put there."""

    node: Node
    value: Any
    put: Put


_DEEPEST = 3
"""Unions within options that no answer reached."""


def _places(schema: Any, root: Node, value: Any, put: Put, *, every: bool = False, deep: int = 0) -> Iterator[_Place]:
    """Every node that `value` reaches; with `every` also the options of unions that it does not, with their values."""
    node = _referred(schema, root)
    yield _Place(node, value, put)
    for at, option in enumerate(options for _, found in _options(node) for options in found):
        if at == 0:
            yield from _places(option, root, value, put, every=every, deep=deep)
        elif every and deep < _DEEPEST:  # a union may hold itself without end
            try:
                yield from _places(option, root, _fill(option, root, 0), put, every=True, deep=deep + 1)
            except Unfillable:
                continue
    if isinstance(value, dict):
        for name, item in node.get("properties", {}).items():
            yield from _places(item, root, value[name], _within(put, value, name), every=every, deep=deep)
    elif isinstance(value, list) and value:
        items = [*node.get("prefixItems", ())] or [node.get("items")]
        for at, item in enumerate(items[: len(value)]):
            yield from _places(item, root, value[at], _at(put, value, at), every=every, deep=deep)


def _options(node: Node) -> Iterator[tuple[str, list[Any]]]:
    for word in UNIONS:
        if word in node:
            yield word, node[word]
    if isinstance(node.get("type"), list):
        yield "type", [{**node, "type": kind} for kind in node["type"]]


def _referred(node: Any, root: Node) -> dict[str, Any]:
    try:
        found = followed(node, root)
    except LookupError:
        raise Unfillable from None
    return dict(found) if isinstance(found, dict) else {}


def _fill(schema: Any, root: Node, depth: int) -> Any:
    node = _referred(schema, root)
    if depth > 32 or {"allOf", "not", "if", "contains"} & node.keys():
        raise Unfillable
    for _, options in _options(node):
        return _fill(options[0], root, depth + 1)
    if "const" in node:
        return node["const"]
    if "enum" in node:
        return node["enum"][0]
    match node.get("type"):
        case "object":
            return {name: _fill(item, root, depth + 1) for name, item in node.get("properties", {}).items()}
        case "array" if "prefixItems" in node:
            return [_fill(item, root, depth + 1) for item in node["prefixItems"]]
        case "array":
            size = min(max(1, node.get("minItems", 0)), node.get("maxItems", 1 << 30))
            return [_fill(node.get("items", {}), root, depth + 1)] * size
        case "number" | "integer":
            return _number(node)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _text(node)


def _text(node: Node) -> str:
    found: str | None = "a" * max(1, node.get("minLength", 0))
    if "pattern" in node:
        found = matching(node["pattern"])
    elif "format" in node:
        found = of_format(node["format"])
    if found is None or not node.get("minLength", 0) <= len(found) <= node.get("maxLength", len(found)):
        raise Unfillable
    return found


def _number(node: Node) -> float:
    step = node.get("multipleOf", 1)
    if "minimum" in node:
        low = node["minimum"]
        return float(low) if low != int(low) else int(low)
    if "exclusiveMinimum" in node:
        return int(node["exclusiveMinimum"]) + int(step)
    if "maximum" in node or "exclusiveMaximum" in node:
        return int(node.get("maximum", node.get("exclusiveMaximum", 0))) - int(step)
    return int(step) or float(step)


def _within(put: Put, value: dict[str, Any], name: str) -> Put:
    return lambda new: put({**value, name: new})


def _at(put: Put, value: list[Any], at: int) -> Put:
    return lambda new: put([*value[:at], new, *value[at + 1 :]])


def _bad(keyword: str, node: Node, value: Any) -> Iterator[Any]:
    """Replacements of `value` that `keyword` of `node` forbids, and as little else as can be."""
    limit = node[keyword]
    match keyword:
        case "enum" | "const":
            yield STRANGER if isinstance(value, str) else STRANGE_NUMBER
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
        case "maxItems" if value:
            yield [value[0]] * (limit + 1)
        case "uniqueItems" if limit and node.get("maxItems", 2) > 1:
            yield [value[0]] * max(2, node.get("minItems", 0))
        case "pattern" if isinstance(value, str):
            least, most = node.get("minLength", 0), node.get("maxLength", 1 << 30)
            yield from (text for text in not_matching(limit) if least <= len(text) <= most)
        case "format" if of_format(limit) is not None:
            yield STRANGER + "!"
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
