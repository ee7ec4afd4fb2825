"""Models within a contract have to say how strict they are: pydantic by itself takes `"5"` for 5, and any key.

The configuration of a model does not reach the models within it. A contract whose own model is strict would so be lax
one level down, and nothing would show it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import CoreSchema

_SHAPES = ("model", "dataclass", "typed-dict")


def check_nested(model: Any) -> None:
    """Raises ValueError for a model, at any depth below this one, that leaves `strict` or `extra` to pydantic."""
    own = TypeAdapter(model).core_schema
    _check(own, but=model)


def strict_schema(model: Any) -> CoreSchema:
    """The core schema of a model that stands within a contract. Raises ValueError where it, or one in it, is lax."""
    schema = TypeAdapter(model).core_schema
    _check(schema, but=None)
    return schema


@lru_cache(maxsize=256)
def laxity(model: Any) -> str:
    """What a contract's own model leaves to pydantic, in words; empty where it says how strict it is."""
    found = next((found for found in _models(TypeAdapter(model).core_schema) if found.get("cls") is model), None)
    return "" if found is None else _unsaid(found)


def _check(schema: Any, but: Any) -> None:
    for found in _models(schema):
        unsaid = _unsaid(found) if found.get("cls") is not but or but is None else ""
        if unsaid:
            raise ValueError(unsaid)


def _unsaid(found: dict[str, Any]) -> str:
    """What one shape does not say and should; empty where it says all of it."""
    config = found.get("config") or {}
    lax = [name for name, key in _wanted(found) if key not in config]
    name = getattr(found.get("cls"), "__name__", found["type"])
    if not lax:
        return ""
    return (
        f"{name} does not say {' and '.join(lax)}, so that other types or further keys would pass in silence; "
        f"derive {name} from listeval.contract.Item"
    )


def _wanted(found: dict[str, Any]) -> list[tuple[str, str]]:
    """What a shape has to say, and the key of pydantic's core configuration that says it. A root model has no keys."""
    strict = ("strict=True", "strict")
    return [strict] if found.get("root_model") else [strict, ("extra='forbid'", "extra_fields_behavior")]


def _models(schema: Any) -> Iterator[dict[str, Any]]:
    """Every model, dataclass and typed dict of a core schema."""
    stack = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if node.get("type") in _SHAPES:
                yield node
            stack += node.values()
        elif isinstance(node, (list, tuple)):
            stack += node
