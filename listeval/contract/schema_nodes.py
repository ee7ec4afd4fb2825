"""The nodes of a JSON Schema: what is a schema in it, what only looks like one, and what a reference names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

NAMING = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords whose value maps names, not keywords, to schemas."""
LITERAL = frozenset({"enum", "const", "default", "examples", "required", "dependentRequired"})
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


def nodes(schema: Any) -> Iterator[Node]:
    """Every object of the schema that is itself a schema, in no order."""
    stack = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack += node
        elif isinstance(node, dict):
            yield node
            for keyword, value in node.items():
                if keyword in NAMING and isinstance(value, dict):
                    stack += value.values()
                elif keyword not in LITERAL:
                    stack.append(value)


def closed(schema: Any) -> Any:
    """The schema in which objects of known properties take no others, where it does not say otherwise."""
    return each_node(
        schema,
        lambda node: (
            {**node, "additionalProperties": False}
            if node.get("properties") and "additionalProperties" not in node
            else node
        ),
    )


def pointed(reference: str, root: Any) -> Any:
    """What `reference` names in the document `root`, or in a meta-schema of JSON Schema; nothing is fetched.

    Raises LookupError where it names nothing there.
    """
    if reference != "#" and not reference.startswith("#/"):
        return _looked_up(reference, root)
    found = root
    for part in unquote(reference).split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            found = found[int(key)] if isinstance(found, list) else found[key]
        except (LookupError, TypeError, ValueError):
            raise LookupError(reference) from None
    return found


def _looked_up(reference: str, root: Any) -> Any:
    """By an anchor, an id or an address."""
    from jsonschema_specifications import REGISTRY
    from referencing import Resource
    from referencing.exceptions import NoSuchResource, Unresolvable
    from referencing.jsonschema import DRAFT202012

    base = str(root.get("$id", "")) if isinstance(root, Mapping) else ""
    registry = REGISTRY.with_resource(base, Resource.from_contents(root, default_specification=DRAFT202012))
    try:
        return registry.resolver(base).lookup(reference).contents
    except (Unresolvable, NoSuchResource):
        raise LookupError(reference) from None


def followed(node: Any, root: Any) -> Any:
    """What a node's chain of references ends at, with the keywords that stand beside them; another node as it is.

    Raises LookupError for a chain that leads nowhere, or round in a circle.
    """
    seen: set[str] = set()
    while isinstance(node, dict) and isinstance(reference := node.get("$ref"), str):
        if reference in seen:
            raise LookupError(reference)
        seen.add(reference)
        node = _replaced(node, reference, root)
    return node


def _replaced(node: Node, reference: str, root: Any) -> Any:
    """What the reference names, with the keywords that stand beside it. Raises LookupError where it names nothing."""
    found = pointed(reference, root)
    beside = {keyword: value for keyword, value in node.items() if keyword != "$ref"}
    return {**found, **beside} if isinstance(found, dict) else found


def inlined(schema: Node) -> Node:
    """The schema without references. Raises ValueError for one that refers to itself, or to what is not in it."""

    def put(node: Any, within: tuple[str, ...]) -> Any:
        reference = node.get("$ref") if isinstance(node, dict) else None
        if not isinstance(reference, str):
            return node, within
        if reference in within:
            raise ValueError(f"the schema refers to itself at {reference}")
        try:
            found = _replaced(node, reference, schema)
        except LookupError:
            raise ValueError(f"the schema has nothing at {reference}") from None
        return put(found, (*within, reference))

    def walk(node: Any, within: tuple[str, ...]) -> Any:
        if isinstance(node, list):
            return [walk(part, within) for part in node]
        node, within = put(node, within)
        if not isinstance(node, dict):
            return node
        kept = {keyword: value for keyword, value in node.items() if keyword not in ("$defs", "definitions")}
        return {
            keyword: value
            if keyword in LITERAL
            else {name: walk(part, within) for name, part in value.items()}
            if keyword in NAMING and isinstance(value, dict)
            else walk(value, within)
            for keyword, value in kept.items()
        }

    found: Node = walk(schema, ())
    return found
