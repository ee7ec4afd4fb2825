"""The contract: `{"reasoning": "...", "answer": 42}`, and an answer that keeps every digit as it was written.

`answer` is a JSON number, or a string that spells one (`listeval.scoring.numbers` says which do).
Its value is kept as text: a float would round `0.1` and integers beyond 2^53.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from listeval.contract import Item, Record
from listeval.contract.base import validator
from listeval.scoring.numbers import parse_number

_WHAT = "should be a number or a string that spells one"


class _NumberForm:
    """A number as its text; a JSON number with a point or a power of ten arrives as a float, see `_exact`."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(strict=True)
        integer = core_schema.chain_schema(
            [core_schema.int_schema(strict=True), core_schema.str_schema(strict=False, coerce_numbers_to_str=True)]
        )
        decimal = core_schema.float_schema(strict=True, allow_inf_nan=False)
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


class Answer(Item):
    """A solved problem; `answer` is the number as it was written."""

    reasoning: str
    answer: Annotated[str, _NumberForm]


def contract() -> Record[Answer]:
    """The contract of every problem."""
    record = Record(Answer)
    record.validate = _exact
    return record


def _exact(block: str) -> Answer:
    answer: Answer = validator(Answer)(block)
    if isinstance(answer.answer, float):
        answer.answer = json.loads(block, parse_float=str)["answer"]
    return answer
