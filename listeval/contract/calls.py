"""`Calls`: a list of function calls, `[{"name": ..., "arguments": {...}}, ...]`, over the example's functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, cast

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from pydantic_core import CoreSchema, SchemaValidator

from listeval.contract.base import Contract, model_hash
from listeval.contract.documents import Document
from listeval.contract.extract import Extraction
from listeval.contract.strictness import strict_schema

Function = type[BaseModel] | Document
"""A function by the model of its arguments, or by its document."""


@dataclass(frozen=True)
class Call:
    """One call. `arguments` is an instance of the function's model, or a dict where the function has a document."""

    name: str
    arguments: Any


class Calls(Contract[list[Call]]):
    """Any number of calls; each names one of `functions` and fits that function's arguments.

    Names are any text (`math.sum` too). Raises ValueError without functions, and for a model that is not strict.
    """

    depth: ClassVar[int] = 1
    noun: ClassVar[str] = "list of calls"
    extraction = Extraction.OUTERMOST_ARRAY

    def __init__(self, functions: Mapping[str, Function]) -> None:
        if not functions:
            raise ValueError("a Calls contract needs at least one function")
        self.functions = dict(functions)
        self.validate = SchemaValidator(_core_schema(self.functions)).validate_json

    @classmethod
    def of(cls, documents: Iterable[Document]) -> Calls:
        """The contract of documented functions; of two with one name the first counts."""
        functions: dict[str, Function] = {}
        for document in documents:
            functions.setdefault(document.name, document)
        return cls(functions)

    def keys(self) -> Collection[str]:
        return ("name", "arguments")

    def json_schema(self) -> dict[str, Any]:
        models = {function for function in self.functions.values() if isinstance(function, type)}
        shapes, shared = models_json_schema([(model, "validation") for model in models])
        calls = []
        for name, function in self.functions.items():
            arguments = shapes[function, "validation"] if isinstance(function, type) else function.json_schema()
            calls.append(_call_schema(name, arguments))
        schema: dict[str, Any] = {"type": "array", "items": calls[0] if len(calls) == 1 else {"anyOf": calls}}
        return schema | {name: value for name, value in shared.items() if value}

    def spec(self) -> dict[str, Any]:
        hashes = {
            name: model_hash(function) if isinstance(function, type) else function.fingerprint()
            for name, function in self.functions.items()
        }
        return {"shape": "calls", "functions": hashes}


def _core_schema(functions: Mapping[str, Function]) -> CoreSchema:
    shared: dict[str, Any] = {}
    calls = {}
    for name, function in functions.items():
        arguments = _model_core(function) if isinstance(function, type) else function.core_schema()
        if arguments["type"] == "definitions":
            # Two functions may share a recursive model, whose definition may stand only once.
            shared |= {definition["ref"]: definition for definition in cast(Any, arguments["definitions"])}
            arguments = arguments["schema"]
        calls[name] = _call(name, arguments)
    choice = {"type": "tagged-union", "choices": calls, "discriminator": "name"}
    # The first faulty call decides the kind, and 100,000 faulty ones cost no more memory than one.
    schema: Any = {"type": "list", "items_schema": choice, "strict": True, "fail_fast": True}
    return {"type": "definitions", "schema": schema, "definitions": list(shared.values())} if shared else schema


@lru_cache(maxsize=256)
def _model_core(model: type[BaseModel]) -> CoreSchema:
    return strict_schema(model)


def _call(name: str, arguments: CoreSchema) -> dict[str, Any]:
    fields = {
        "name": {"type": "typed-dict-field", "schema": {"type": "literal", "expected": [name]}},
        "arguments": {"type": "typed-dict-field", "schema": arguments},
    }
    shape = {"type": "typed-dict", "fields": fields, "extra_behavior": "forbid", "strict": True}
    return {"type": "function-after", "function": {"type": "no-info", "function": _as_call}, "schema": shape}


def _as_call(found: dict[str, Any]) -> Call:
    return Call(**found)


def _call_schema(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"name": {"const": name, "type": "string"}, "arguments": arguments},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }
