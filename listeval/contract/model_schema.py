"""`ModelSchema`: an answer that a user's own pydantic model reads, strictly, whatever the model itself says.

Types are strict and further keys refused at every depth: a plain `BaseModel` would take `"5"` for 5 and any key, and an
answer that needs such kindness is no right one. The answer parses to JSON, so that it is compared as it was written.
"""

from __future__ import annotations

import json
from functools import lru_cache
from hashlib import sha256
from inspect import getsourcefile
from pathlib import Path
from typing import Any, ClassVar, cast

from pydantic import BaseModel, TypeAdapter
from pydantic_core import CoreSchema, SchemaValidator, ValidationError

from listeval.contract.choices import as_json_tells
from listeval.contract.closest import Path as Place
from listeval.contract.output_type import model_type
from listeval.contract.schema import Schema
from listeval.contract.schema_nodes import closed
from listeval.contract.shape import broken_places
from listeval.contract.taxonomy import Kind


class ModelSchema(Schema):
    """One JSON value that `model` reads, with its validators; `json_schema` is the model's, closed to further keys."""

    depth: ClassVar[int] = 0

    def __init__(self, model: type[BaseModel]) -> None:
        super().__init__(closed(_json_schema(model)))
        self.model = model

    def output_type(self) -> type[BaseModel]:
        return model_type(self, self.model, self._read_model)

    def _read_model(self, block: str) -> BaseModel:
        return cast("BaseModel", _reader(self.model).validate_json(block, strict=True, extra="forbid"))

    def _validated(self, block: str) -> Any:
        self._read_model(block)
        return json.loads(block)

    def broken(self, block: str) -> list[tuple[Place, Kind]]:
        try:
            self._validated(block)
        except ValidationError as error:
            return broken_places(self, block, error)
        return []

    def spec(self) -> dict[str, Any]:
        return {**super().spec(), "shape": "model", "code": _code_hash(self.model)}


@lru_cache(maxsize=64)
def _json_schema(model: type[BaseModel]) -> dict[str, Any]:
    return TypeAdapter(model).json_schema()


@lru_cache(maxsize=64)
def _reader(model: type[BaseModel]) -> SchemaValidator:
    """The model's own validation, in which `true` is never 1."""
    core: Any = TypeAdapter(model).core_schema
    shared = {part["ref"]: part for part in core.get("definitions", ())} if core["type"] == "definitions" else {}
    told: Any = as_json_tells(core, lambda node: shared.get(cast(Any, node).get("schema_ref"), node))
    for part, ref in zip(told.get("definitions", ()) if shared else (), shared, strict=True):
        part.setdefault("ref", ref)
    # A prebuilt validator of the class would pass by what was told here.
    return SchemaValidator(cast(CoreSchema, told), None, False)


@lru_cache(maxsize=64)
def _code_hash(model: type[BaseModel]) -> str:
    """Of the file that the model is written in: its validators are part of the contract."""
    try:
        source = getsourcefile(model)
    except TypeError:
        source = None
    content = Path(source).read_bytes() if source and Path(source).is_file() else b""
    return sha256(content).hexdigest()[:16]
