"""Functions that are described by a document rather than a model: JSON Schema, or the dialect of function-calling sets.

The dialect is that of the Berkeley Function-Calling Leaderboard (BFCL v1-v4): `dict`, `float`,
`tuple` and `any` stand beside or for JSON Schema's own type names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any, NamedTuple, cast

from pydantic_core import CoreSchema, to_json

Node = Mapping[str, Any]
"""A parameter's description, or that of what it holds: `type`, perhaps `items`, `properties`, `enum`, `default`."""


class _Type(NamedTuple):
    """A type of the dialect: what JSON parses to (None: anything), its JSON Schema, and what validates it."""

    python: type | None
    schema: dict[str, Any]
    core: dict[str, Any]


_STRING = _Type(str, {"type": "string"}, {"type": "str", "strict": True})
_INTEGER = _Type(int, {"type": "integer"}, {"type": "int", "strict": True})
_NUMBER = _Type(float, {"type": "number"}, {"type": "float", "strict": True, "allow_inf_nan": False})
_BOOLEAN = _Type(bool, {"type": "boolean"}, {"type": "bool", "strict": True})
_ARRAY = _Type(list, {"type": "array"}, {"type": "list", "strict": True})
_OBJECT = _Type(dict, {"type": "object"}, {"type": "dict", "strict": True})
_ANY = _Type(None, {}, {"type": "any"})

_TYPES = {
    "string": _STRING,
    "integer": _INTEGER,
    "float": _NUMBER,
    "number": _NUMBER,
    "boolean": _BOOLEAN,
    "array": _ARRAY,
    "tuple": _ARRAY,
    "dict": _OBJECT,
    "object": _OBJECT,
    "any": _ANY,
}


class Document(NamedTuple):
    """One function: its parameters by name, and which of them a call must have.

    A call's arguments are checked for names and for the type of each argument; what stands
    inside a list or an object is left to whoever compares values. The JSON Schema says it all.
    `untyped` parameters take any value; one whose default is null takes null.
    """

    name: str
    parameters: Mapping[str, Node]
    required: tuple[str, ...]
    untyped: frozenset[str] = frozenset()

    @classmethod
    def read(cls, document: Node, untyped: Collection[str] = ()) -> Document:
        """The function of `{"name", "parameters": {"properties", "required"}}`, unchecked: see `why_unusable`."""
        parameters = document["parameters"]
        required = tuple(parameters.get("required") or ())
        return cls(document["name"], parameters.get("properties") or {}, required, frozenset(untyped))

    def core_schema(self) -> CoreSchema:
        """For pydantic-core: a dict with the names and types of the arguments."""
        fields = {name: self._field(name, node) for name, node in self.parameters.items()}
        # Written out, as the helpers of `core_schema` cost more than all the rest of a contract.
        return cast(CoreSchema, {"type": "typed-dict", "fields": fields, "extra_behavior": "forbid", "strict": True})

    def _field(self, name: str, node: Node) -> dict[str, Any]:
        core = (_ANY if name in self.untyped else _TYPES[node["type"]]).core
        if _nullable(node):
            core = {"type": "nullable", "schema": core}
        return {"type": "typed-dict-field", "schema": core, "required": name in self.required}

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema (2020-12) of the arguments, as deep as the document goes."""
        nodes = {name: {} if name in self.untyped else _schema(node) for name, node in self.parameters.items()}
        return _object_schema(nodes, [name for name in nodes if name in self.required])

    def allows(self, parameter: str, value: Any) -> bool:
        """Whether a JSON value is what the document asks of a parameter, at every depth."""
        return allows(self.parameters[parameter], value)

    def allows_type(self, parameter: str, value: Any) -> bool:
        """Whether a JSON value has the type that the document asks of a parameter; an integer is a number."""
        return allows_type(self.parameters[parameter], value)

    def fingerprint(self) -> str:
        """A short hash of what binds a call."""
        return sha256(to_json([self.parameters, self.required, sorted(self.untyped)])).hexdigest()[:16]


def python_type(node: Node) -> type | None:
    """The Python type that JSON of this parameter's type parses to; None for `any`."""
    return _TYPES[node["type"]].python


def allows_type(node: Node, value: Any) -> bool:
    """Whether a JSON value has the type that the description asks for; an integer is a number."""
    expected = python_type(node)
    if expected is None or type(value) is expected or (expected is float and type(value) is int):
        return True
    return value is None and _nullable(node)


def allows(node: Node, value: Any) -> bool:
    """Whether a JSON value is what the description asks for, at every depth."""
    if not allows_type(node, value):
        return False
    if value is not None and value not in (_enum(node) or [value]):
        return False
    if isinstance(value, list):
        return "items" not in node or all(allows(node["items"], item) for item in value)
    if isinstance(value, dict) and node.get("properties"):
        inner = node["properties"]
        within = all(name in inner and allows(inner[name], item) for name, item in value.items())
        return within and value.keys() >= set(node.get("required") or ())
    return True


def why_unusable(document: Any) -> str | None:
    """What keeps a JSON value from being a function's document, in words; None for a good one."""
    if not isinstance(document, dict) or not isinstance(document.get("name"), str):
        return "a function without a name"
    name, parameters = document["name"], document.get("parameters")
    if not isinstance(parameters, dict) or not isinstance(parameters.get("properties") or {}, dict):
        return f"function '{name}' has no parameters object"
    if not _are_names(parameters.get("required") or ()):
        return f"function '{name}': `required` is not a list of names"
    faults = (_why_unusable(path, node) for path, node in (parameters.get("properties") or {}).items())
    return next((f"function '{name}': {fault}" for fault in faults if fault), None)


def _why_unusable(path: str, node: Any) -> str | None:
    if not isinstance(node, dict):
        return f"parameter '{path}' is not described by an object"
    kind = node.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        return f"parameter '{path}' has the unknown type {kind!r}; known: {', '.join(_TYPES)}"
    if not isinstance(node.get("properties") or {}, dict):
        return f"parameter '{path}': `properties` is not an object"
    if not _are_names(node.get("required") or ()):
        return f"parameter '{path}': `required` is not a list of names"
    if not isinstance(node.get("enum") or [], list):
        return f"parameter '{path}': `enum` is not a list"
    inner = dict(node.get("properties") or {})
    if "items" in node:
        inner["[]"] = node["items"]
    faults = (_why_unusable(f"{path}.{name}", child) for name, child in inner.items())
    return next((fault for fault in faults if fault), None)


def _are_names(names: Any) -> bool:
    return isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names)


def _nullable(node: Node) -> bool:
    return "default" in node and node["default"] is None


def _enum(node: Node) -> list[Any]:
    """The values to choose from; of an enum, those that the parameter's own type has.

    Documents also list there, for a list, what its items may be.
    """
    expected = python_type(node)
    return [value for value in node.get("enum") or () if expected is None or type(value) is expected]


def _schema(node: Node) -> dict[str, Any]:
    schema = dict(_TYPES[node["type"]].schema)
    enum = _enum(node)
    if enum:
        schema["enum"] = enum
    if "items" in node and schema.get("type") == "array":
        schema["items"] = _schema(node["items"])
    if node.get("properties") and schema.get("type") == "object":
        inner = {name: _schema(child) for name, child in node["properties"].items()}
        schema = _object_schema(inner, list(node.get("required") or ()))
    return {"anyOf": [schema, {"type": "null"}]} if _nullable(node) else schema


def _object_schema(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
    }
