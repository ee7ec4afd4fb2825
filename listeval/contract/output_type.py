"""A contract as a pydantic type, for a program of one's own: Outlines, instructor and others take such types.

Of JSON, and of what Python makes of it, a type reads what the contract parses, and nothing else; an instance of the
type, or of the user's model that it stands for, is taken as pydantic takes one. JSON comes to it read already, so that
of a key that stands twice in one object only the last is left: that is seen by `Contract.parse` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, RootModel, create_model
from pydantic_core import CoreSchema, core_schema, to_json

from listeval.contract.defined_schema import core_name, defined
from listeval.contract.outcome import Failure, Parsed

if TYPE_CHECKING:
    from listeval.contract.base import Contract


def answer_type(contract: Contract[Any]) -> type[BaseModel]:
    """A root model with the contract's JSON Schema, which takes what the contract parses; `.root` is the value."""

    def read(text: str) -> BaseModel:
        return RootModel[Any].model_construct(_parsed(contract, text).value)

    return _type(contract, "Answer", RootModel[Any], read, ())


def model_type(contract: Contract[Any], model: type[BaseModel], read: Callable[[str], BaseModel]) -> type[BaseModel]:
    """As `answer_type`, a subclass of the contract's own `model`; `read` makes one of a block that is right."""

    def parsed(text: str) -> BaseModel:
        start, end = _parsed(contract, text).span
        return read(text[start:end])

    return _type(contract, model.__name__, model, parsed, (model,))


def _parsed(contract: Contract[Any], text: str) -> Parsed[Any]:
    """Raises ValueError, which pydantic says as an error of its own."""
    found = contract.parse(text)
    if isinstance(found, Failure):
        raise ValueError(f"{found.kind.value}: {found.detail}")
    return found


def _type(
    contract: Contract[Any],
    name: str,
    base: type[BaseModel],
    read: Callable[[str], BaseModel],
    models: tuple[type[BaseModel], ...],
) -> type[BaseModel]:
    """A subclass of `base` for which `read` makes what it holds of a text, by whichever way of pydantic it is built.

    Instances of `models` are taken beside its own.
    """

    class Reading:
        def __init__(self: Any, /, *given: Any, **fields: Any) -> None:
            # A copy: an instance that is given keeps what it holds to itself.
            self.__setstate__(copy(type(self).model_validate(given[0] if given else fields)).__getstate__())

        @classmethod
        def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
            return contract.json_schema()

        @classmethod
        def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:
            return defined(contract.json_schema(), cls, handler)

        @classmethod
        def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
            def made(given: Any, taken: Callable[[Any], Any]) -> Any:
                if isinstance(given, (source, *models)):
                    return taken(given)
                made = source.__new__(source)
                # Computed fields are no data: nobody reads them again.
                made.__setstate__(read(to_json(given, by_alias=True, round_trip=True).decode()).__getstate__())
                return made

            # What is within says how an instance is taken and written.
            within = [handler(source), *map(handler.generate_schema, models)]
            return core_schema.no_info_wrap_validator_function(
                made, core_schema.union_schema(within), ref=core_name(source)
            )

    return create_model(name, __base__=(cast("Any", Reading), base), __module__=base.__module__, __doc__=base.__doc__)
