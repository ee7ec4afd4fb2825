"""`Record`: one JSON object of a fixed model, such as `{"answer": 42}`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, TypeVar, cast

from pydantic import BaseModel, TypeAdapter

from listeval.contract.base import Contract, model_hash, model_keys, validator
from listeval.contract.extract import Extraction
from listeval.contract.output_type import model_type
from listeval.contract.strictness import laxity

ModelT = TypeVar("ModelT", bound=BaseModel)


class Record(Contract[ModelT]):
    """One object. `model` is the pydantic model; derive it from `Item` for strict types and no extra keys."""

    depth: ClassVar[int] = 0
    noun: ClassVar[str] = "JSON object"

    def __init__(self, model: type[ModelT], *, extraction: Extraction = Extraction.OUTERMOST_OBJECT) -> None:
        self._model, self.extraction = model, extraction
        self.validate = validator(model)

    def keys(self) -> Collection[str]:
        return model_keys(self._model)

    def laxity(self) -> str:
        return laxity(self._model)

    def output_type(self) -> type[ModelT]:
        return cast("type[ModelT]", model_type(self, self._model, self.validate))

    def json_schema(self) -> dict[str, Any]:
        return TypeAdapter(self._model).json_schema()

    def spec(self) -> dict[str, Any]:
        return {"shape": "record", "model": model_hash(self._model), "extraction": self.extraction.value}
