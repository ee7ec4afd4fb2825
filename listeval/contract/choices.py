"""Choices told apart as JSON tells them: `true` is not 1 and 1 is not `true`, though Python calls them equal.

pydantic finds the value of a `Literal` or an enum by Python's equality, so `Literal[1, 2]` would take `true`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from pydantic_core import CoreSchema, core_schema

_DATA = ("metadata", "default", "serialization")
"""Keys of a core schema under which no schema stands."""


Resolve = Callable[[CoreSchema], CoreSchema]
"""From a reference to a definition to what it stands for; any other schema is given back."""


def as_json_tells(schema: CoreSchema, resolve: Resolve) -> CoreSchema:
    """The same schema in which a choice of integers or booleans first asks for just that type."""
    return cast("CoreSchema", _rewritten(schema, resolve))


def _rewritten(node: Any, resolve: Resolve) -> Any:
    if isinstance(node, dict):
        if node.get("type") == "literal":
            return _literal(node)
        if node.get("type") in ("enum", "definition-ref"):
            return _enum(node, resolve)
        return {key: value if key in _DATA else _rewritten(value, resolve) for key, value in node.items()}
    return type(node)(_rewritten(value, resolve) for value in node) if type(node) in (list, tuple) else node


def _enum(node: Any, resolve: Resolve) -> Any:
    try:
        choice: Any = resolve(node)
    except LookupError:
        return node  # a model that is still being made, as of two that refer to each other; an enum never is
    if choice.get("type") != "enum" or choice.get("sub_type") != "int":
        return node
    # After the type was asked for, only the value is left to be found.
    whole = {key: value for key, value in choice.items() if key != "ref"}
    found: Any = whole | {"strict": False}
    return core_schema.chain_schema([core_schema.int_schema(strict=True), found], metadata=_written_as(whole))


def _literal(node: dict[str, Any]) -> Any:
    expected: Sequence[Any] = node["expected"]
    # An enum's member that is an integer counts as one, as pydantic reads it.
    booleans = [value for value in expected if isinstance(value, bool)]
    integers = [value for value in expected if isinstance(value, int) and not isinstance(value, bool)]
    if not booleans and not integers:
        return node
    others = [value for value in expected if not isinstance(value, int)]
    written = _written_as(node)
    parts: list[Any] = [
        *([_asked(core_schema.int_schema(strict=True), integers)] if integers else []),
        *([_asked(core_schema.bool_schema(strict=True), booleans)] if booleans else []),
        *([core_schema.literal_schema(others)] if others else []),
    ]
    if len(parts) == 1:
        return {**parts[0], "metadata": written}
    words = " or ".join(filter(None, [", ".join(map(repr, expected[:-1])), repr(expected[-1])]))
    return core_schema.union_schema(
        parts,
        mode="left_to_right",
        custom_error_type="literal_error",
        custom_error_context={"expected": words},
        metadata=written,
    )


def _asked(kind: CoreSchema, values: list[Any]) -> CoreSchema:
    return core_schema.chain_schema([kind, core_schema.literal_schema(values)])


def _written_as(node: Any) -> dict[str, Any]:
    """Metadata of a schema that stands in JSON Schema as `node` does."""
    return {"pydantic_js_functions": [lambda _, handler: handler(node)]}
