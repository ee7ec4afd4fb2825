"""A JSON Schema as that of a pydantic type: wherever it stands, what it refers to is among pydantic's own `$defs`."""

from __future__ import annotations

from functools import partial
from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from listeval.contract.schema_nodes import Node, each_node, nodes, pointed

_OF_A_DOCUMENT = frozenset({"$defs", "definitions", "$id"})
"""Keywords that a part has no use for: its references lead to pydantic's definitions."""


def core_name(kind: type[Any], name: str = "", number: int = 0) -> str:
    """The `ref` of the type's core schema, or of the definition `name` of it.

    pydantic names its definitions by what stands before the colon; what follows keeps like-named ones apart.
    """
    return f"{kind.__module__}.{name or kind.__name__}:{id(kind)}-{number}"


def defined(schema: Node, kind: type[Any], handler: GetJsonSchemaHandler) -> Node:
    """The schema of `kind`, whose core schema has `core_name(kind)`; the definitions go by way of `handler`.

    Raises ValueError for a schema that refers to what is not in it.
    """
    # A model that holds itself is all reference: the type itself is what is referred to.
    root = "#" if schema.keys() - {"$ref"} - _OF_A_DOCUMENT else schema.get("$ref", "#")
    others = {node["$ref"] for node in nodes(schema) if isinstance(node.get("$ref"), str)} - {root}
    named = {reference: _pointed(reference, schema) for reference in (root, *sorted(others))}
    refs = {
        reference: core_name(kind, reference.rsplit("/", 1)[-1].strip("#") if number else "", number)
        for number, reference in enumerate(named)
    }

    def referring(node: Node) -> Node:
        kept = {word: part for word, part in node.items() if word not in _OF_A_DOCUMENT}
        reference = node.get("$ref")
        if isinstance(reference, str):
            if reference not in refs:
                raise _nothing_at(reference)
            kept |= handler(core_schema.definition_reference_schema(refs[reference]))
        return kept

    def told(part: Any, *_: object) -> Any:
        return each_node(part, referring)

    def definition(reference: str) -> CoreSchema:
        shown = {"pydantic_js_functions": [partial(told, named[reference])]}
        return core_schema.any_schema(ref=refs[reference], metadata=shown)

    handler(core_schema.definitions_schema(core_schema.any_schema(), [*map(definition, sorted(others))]))
    found: Node = told(named[root])
    return found


def _pointed(reference: str, schema: Node) -> Node:
    try:
        found = pointed(reference, schema)
    except LookupError:
        raise _nothing_at(reference) from None
    # `true` and `false` are schemas too, which pydantic has no definitions of.
    return found if isinstance(found, dict) else {"allOf": [found]}


def _nothing_at(reference: str) -> ValueError:
    return ValueError(f"the schema has nothing at {reference}")
