"""Value forms that contracts are built from, as pydantic-core schemas so that no Python runs per value.

A score is a finite JSON number or a string that spells one (the paper's rule, arXiv
2605.08737); booleans, NaN and Infinity are not scores. An id is compared by its text: a
JSON integer stands for the id that it spells, because prompts show ids without quotes.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from listeval.contract.choices import as_json_tells

_NUMBER = r"^\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"


class Item(BaseModel):
    """Base of the objects in an answer: strict types, `true` is not 1, no keys beyond the declared ones."""

    model_config = ConfigDict(strict=True, extra="forbid")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return as_json_tells(handler(source), handler.resolve_ref_schema)


class _ScoreForm:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        number = core_schema.float_schema(strict=True, allow_inf_nan=False)
        spelled = core_schema.chain_schema(
            [
                core_schema.str_schema(strict=True, pattern=_NUMBER),
                core_schema.float_schema(strict=False, allow_inf_nan=False),
            ]
        )
        return core_schema.union_schema(
            [number, spelled],
            mode="left_to_right",
            custom_error_type="score_form",
            custom_error_message="should be a finite number or a string that spells one",
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "number"}


class _IdForm:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(strict=True)
        integer = core_schema.chain_schema(
            [core_schema.int_schema(strict=True), core_schema.str_schema(strict=False, coerce_numbers_to_str=True)]
        )
        return core_schema.union_schema(
            [text, integer],
            mode="left_to_right",
            custom_error_type="id_form",
            custom_error_message="should be a string or an integer",
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string"}


Score = Annotated[float, _ScoreForm]
"""A finite number, or a string that spells one."""

Id = Annotated[str, _IdForm]
"""An id: a string, or an integer read as its decimal text."""
