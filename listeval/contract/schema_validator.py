"""JSON Schema by `jsonschema`, without a network: one compiled validator a schema, and why a schema cannot be used.

A schema says its draft in `$schema`; one that does not is of 2020-12. What `$ref` names outside the document is never
fetched: a schema may come from somebody else, and an address in it is not the user's word.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from listeval.errors import first_line

_NAMES = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_DATA = frozenset({"enum", "const", "default", "examples", "required", "dependentRequired"})


def schema_validator(schema: Mapping[str, Any]) -> Any:
    """The `jsonschema` validator of the schema's draft, compiled once for equal schemas."""
    return _compiled(json.dumps(schema))


@lru_cache(maxsize=512)
def _compiled(text: str) -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for
    from jsonschema_specifications import REGISTRY

    schema = json.loads(text)
    return validator_for(schema, default=Draft202012Validator)(schema, registry=REGISTRY)


def why_no_schema(schema: Any) -> str | None:
    """What keeps a JSON value from being a schema that answers can be checked against; None for a good one."""
    from jsonschema.exceptions import SchemaError

    if not isinstance(schema, dict):
        return "a schema is a JSON object"
    try:
        validator = schema_validator(schema)
        type(validator).check_schema(schema)
    except SchemaError as error:
        place = "/".join(map(str, error.absolute_path))
        return f"no JSON Schema: {error.message[:160]}" + (f" at {place}" if place else "")
    except (ValueError, TypeError, RecursionError) as error:
        return f"no JSON Schema: {first_line(error)}"
    faults = (_why_unusable(node, schema) for node in _nodes(schema))
    return next((fault for fault in faults if fault), None)


def _why_unusable(node: Mapping[str, Any], root: Mapping[str, Any]) -> str | None:
    """A reference that leads nowhere in this document."""
    target = node.get("$ref")
    if isinstance(target, str) and not _resolves(target, root):
        return f"{target[:120]!r} is not in the schema, and nothing is fetched"
    return None


def _resolves(target: str, root: Mapping[str, Any]) -> bool:
    from jsonschema_specifications import REGISTRY
    from referencing import Resource
    from referencing.exceptions import NoSuchResource, Unresolvable
    from referencing.jsonschema import DRAFT202012

    if any("$id" in node and node is not root for node in _nodes(root)):
        return True  # a base of its own: the validator says what does not resolve
    base = str(root.get("$id", ""))
    registry = REGISTRY.with_resource(base, Resource.from_contents(root, default_specification=DRAFT202012))
    try:
        registry.resolver(base).lookup(target)
    except (Unresolvable, NoSuchResource):
        return False
    return True


def _nodes(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Every object of the schema that is itself a schema, the outermost first."""
    stack = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack += node
        elif isinstance(node, dict):
            yield node
            for word, value in node.items():
                if word in _NAMES and isinstance(value, dict):
                    stack += value.values()
                elif word not in _DATA:
                    stack.append(value)
