"""Models within a contract have to say how strict they are: pydantic by itself takes `"5"` for 5, and any key.

The configuration of a model does not reach the models within it. A contract whose own model is strict would so be lax
one level down, and nothing would show it.
"""

from __future__ import annotations

from collections.abc import Iterator
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


def _check(schema: Any, but: Any) -> None:
    for found in _models(schema):
        config, cls = found.get("config") or {}, found.get("cls")
        lax = [name for name, key in _wanted(found) if key not in config]
        if lax and (cls is not but or but is None):
            name = getattr(cls, "__name__", found["type"])
            raise ValueError(
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
