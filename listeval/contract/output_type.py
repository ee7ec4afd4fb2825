"""A contract as a pydantic type, for a program of one's own: Outlines, instructor and others take such types."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, RootModel, model_validator

from listeval.contract.outcome import Failure
from listeval.contract.schema_nodes import inlined

if TYPE_CHECKING:
    from listeval.contract.base import Contract


def answer_type(contract: Contract[Any]) -> type[BaseModel]:
    """A root model whose JSON Schema is the contract's, which validates as the contract parses; `.root` is the value.

    A key that stands twice in one object is seen by `Contract.parse` alone: whatever reads JSON first drops one.
    """

    class Answer(RootModel[Any]):
        @classmethod
        def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
            return contract.json_schema()

        @classmethod
        def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:
            # pydantic takes no definitions but its own; `model_json_schema()` gives the schema as it is.
            return inlined(contract.json_schema())

        @model_validator(mode="before")
        @classmethod
        def _parsed(cls, given: Any) -> Any:
            found = contract.parse(json.dumps(given, ensure_ascii=False, default=_plain))
            if isinstance(found, Failure):
                raise ValueError(f"{found.kind.value}: {found.detail}")
            return found.value

    return Answer


def _plain(value: Any) -> Any:
    """The JSON of a model within a value that a program built itself. Raises TypeError for what is no JSON."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    raise TypeError(f"{type(value).__name__} is no JSON")
