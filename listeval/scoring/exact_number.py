"""A number in an answer, kept digit for digit: a float would round `0.1` and integers beyond 2^53.

The field's type is `ExactNumber` and the contract `ExactRecord`; the value is text that `parse_number` reads.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from listeval.contract import Record
from listeval.scoring.numbers import parse_number

ModelT = TypeVar("ModelT", bound=BaseModel)

_WHAT = "should be a number or a string that spells one"


class _NumberForm:
    """A number as its text; a JSON number with a point or a power of ten was a float on the way, see `ExactRecord`."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(strict=True)
        integer = core_schema.chain_schema(
            [core_schema.int_schema(strict=True), core_schema.str_schema(strict=False, coerce_numbers_to_str=True)]
        )
        decimal = core_schema.no_info_after_validator_function(
            repr, core_schema.float_schema(strict=True, allow_inf_nan=False)
        )
        spelled = core_schema.no_info_after_validator_function(_spelled, text)
        return core_schema.union_schema(
            [integer, decimal, spelled],
            mode="left_to_right",
            custom_error_type="number_form",
            custom_error_message=_WHAT,
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "number"}


def _spelled(text: str) -> str:
    if parse_number(text) is None:
        raise PydanticCustomError("number_form", _WHAT)
    return text


ExactNumber = Annotated[str, _NumberForm]
"""A JSON number, or a string that spells one (`parse_number` says which do), as text."""


class ExactRecord(Record[ModelT]):
    """A `Record` whose own `ExactNumber` fields hold what the answer wrote, digit for digit."""

    def __init__(self, model: type[ModelT]) -> None:
        super().__init__(model)
        fields = model.model_fields.items()
        keys = {name: field.alias or name for name, field in fields if _NumberForm in field.metadata}
        rounded = self.validate

        def exact(block: str) -> ModelT:
            answer = rounded(block)
            if not all(getattr(answer, name).isdecimal() for name in keys):
                written = json.loads(block, parse_int=str, parse_float=str)
                for name, key in keys.items():
                    setattr(answer, name, written[key])
            return answer

        self.validate = exact
