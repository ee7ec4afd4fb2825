"""`Calls`: a list of function calls, `[{"name": ..., "arguments": {...}}, ...]`, over the example's functions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, reduce
from operator import or_
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, TypeAdapter, create_model

from listeval.contract.base import Contract, list_validator, model_hash
from listeval.contract.extract import Extraction
from listeval.contract.values import Item


class Call(Item):
    """One call: `arguments` is an instance of the arguments model of the function `name`."""

    name: str
    arguments: BaseModel


class Calls(Contract[list[Call]]):
    """Any number of calls; each names one of `functions` and fits that function's arguments model.

    Raises ValueError without functions.
    """

    depth: ClassVar[int] = 1
    noun: ClassVar[str] = "list of calls"
    extraction = Extraction.OUTERMOST_ARRAY

    def __init__(self, functions: Mapping[str, type[BaseModel]]) -> None:
        if not functions:
            raise ValueError("a Calls contract needs at least one function")
        self.functions = dict(functions)
        self.validate = list_validator(self._call)

    @cached_property
    def _call(self) -> Any:
        first, *rest = (_shape(name, arguments) for name, arguments in self.functions.items())
        union = reduce(or_, rest, first)
        return Annotated[union, Field(discriminator="name")] if rest else first

    def json_schema(self) -> dict[str, Any]:
        shape: Any = list[self._call]  # type: ignore[name-defined]
        return TypeAdapter(shape).json_schema()

    def spec(self) -> dict[str, Any]:
        functions = {name: model_hash(arguments) for name, arguments in self.functions.items()}
        return {"shape": "calls", "functions": functions}


def _shape(name: str, arguments: type[BaseModel]) -> type[Call]:
    fields: dict[str, Any] = {"name": (Literal[name], ...), "arguments": (arguments, ...)}
    return create_model("Call", __base__=Call, **fields)
