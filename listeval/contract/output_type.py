"""A contract as a pydantic type, for a program of one's own: Outlines, instructor and others take such types.

A type reads what the contract parses, and nothing else. JSON comes to it read already, so that of a key that stands
twice in one object only the last is left: that is seen by `Contract.parse` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, RootModel, create_model
from pydantic_core import CoreSchema, core_schema, to_json

from listeval.contract.outcome import Failure, Parsed
from listeval.contract.schema_nodes import inlined

if TYPE_CHECKING:
    from listeval.contract.base import Contract


def answer_type(contract: Contract[Any]) -> type[BaseModel]:
    """A root model with the contract's JSON Schema, which takes what the contract parses; `.root` is the value."""

    def read(text: str) -> BaseModel:
        return RootModel[Any].model_construct(_parsed(contract, text).value)

    return _type(contract, "Answer", RootModel[Any], read)


def model_type(contract: Contract[Any], model: type[BaseModel], read: Callable[[str], BaseModel]) -> type[BaseModel]:
    """As `answer_type`, a subclass of the contract's own `model`; `read` makes one of a block that is right."""

    def parsed(text: str) -> BaseModel:
        start, end = _parsed(contract, text).span
        return read(text[start:end])

    return _type(contract, model.__name__, model, parsed)


def _parsed(contract: Contract[Any], text: str) -> Parsed[Any]:
    """Raises ValueError, which pydantic says as an error of its own."""
    found = contract.parse(text)
    if isinstance(found, Failure):
        raise ValueError(f"{found.kind.value}: {found.detail}")
    return found


def _type(
    contract: Contract[Any], name: str, base: type[BaseModel], read: Callable[[str], BaseModel]
) -> type[BaseModel]:
    """A subclass of `base` for which `read` makes what it holds of a text, by whichever way of pydantic it is built."""

    class Reading:
        def __init__(self: Any, /, *given: Any, **fields: Any) -> None:
            self.__setstate__(type(self).model_validate(given[0] if given else fields).__getstate__())

        @classmethod
        def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
            return contract.json_schema()

        @classmethod
        def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:
            # pydantic takes no definitions but its own; `model_json_schema()` gives the schema as it is.
            return inlined(contract.json_schema())

        @classmethod
        def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
            def made(given: Any, _: object) -> Any:
                if isinstance(given, source):
                    return given
                made = source.__new__(source)
                made.__setstate__(read(to_json(given, by_alias=True).decode()).__getstate__())
                return made

            # What is within says how a value is written.
            return core_schema.no_info_wrap_validator_function(made, handler(source))

    return create_model(name, __base__=(cast("Any", Reading), base), __module__=base.__module__, __doc__=base.__doc__)
