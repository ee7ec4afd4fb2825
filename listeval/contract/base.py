"""The contract protocol and its one-pass parse: validation on the happy path, diagnosis only on failure."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Generic

from pydantic import FailFast, TypeAdapter
from pydantic_core import ValidationError

from listeval.contract import diagnose
from listeval.contract.extract import Extraction, extract, surroundings
from listeval.contract.outcome import Failure, Fault, Parsed, V
from listeval.contract.separators import Separators
from listeval.contract.taxonomy import Flag, Kind


class Contract(ABC, Generic[V]):
    """What a valid answer to one example is. Immutable once built."""

    extraction: Extraction
    validate: Callable[[str], V]
    """Reads a block in one pass; raises pydantic's ValidationError."""
    depth: ClassVar[int]
    """How many levels of the answer are the contract's own shape (a list of objects: 1)."""
    noun: ClassVar[str]
    """What the contract asks for, in words, for messages."""
    separators: Separators | None = Separators()
    """How the task spaces its gold answers, for constrained decoding alone; None where no one way says it.

    Whoever binds the contract to an example for a constrained run sets it from that example's gold answer.
    """

    def check(self, value: V, block: str) -> Fault | None:
        """Rules beyond the schema, on a schema-valid value and the text that it was read from."""
        return repeated_key(block)

    def value_flags(self, block: str) -> tuple[Flag, ...]:
        """Flags of a valid block itself."""
        return ()

    @abstractmethod
    def json_schema(self) -> dict[str, Any]:
        """JSON Schema (2020-12) of a valid answer, keys in the order in which they are to be written."""

    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """What binds the contract to its example, as JSON: hashed into row keys, so cheap."""

    def parse(self, text: str, finish_reason: str = "stop", reasoning: str | None = None) -> Parsed[V] | Failure:
        """The value of an answer, or why it has none. Never raises, linear in the text.

        `finish_reason` is the engine's ("stop", "length", "content_filter", "error");
        `reasoning` is text that came in a channel of its own.
        """
        if finish_reason != "stop":
            early = diagnose.unfinished(self, text, finish_reason)
            if early is not None:
                return early
        span = extract(self.extraction, text)
        if span is None:
            return diagnose.no_block(self, text, reasoning)
        block = text if span == (0, len(text)) else text[span[0] : span[1]]
        try:
            value = self.validate(block)
        except ValidationError as error:
            return diagnose.invalid(self, text, span, error, reasoning)
        fault = self.check(value, block)
        if fault is not None:
            return diagnose.faulty(text, span, fault)
        flags = self.value_flags(block)
        return Parsed(value, flags if block is text else surroundings(text, span) + flags, span)


@lru_cache(maxsize=256)
def validator(model: Any) -> Callable[[str], Any]:
    """pydantic-core's JSON entry for a type, without the wrapper around it."""
    return TypeAdapter(model).validator.validate_json


def list_validator(item: Any) -> Callable[[str], Any]:
    """As `validator`, for a list of `item` that stops at the first faulty object.

    That object decides the kind, and 100,000 faulty ones cost no more memory than one.
    """
    return TypeAdapter(Annotated[list[item], FailFast()]).validator.validate_json


@lru_cache(maxsize=256)
def model_hash(model: Any) -> str:
    """A short hash of the JSON Schema behind a model, for `Contract.spec`."""
    schema = TypeAdapter(model).json_schema()
    return sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:16]


def repeated_key(block: str) -> Fault | None:
    """A key that one object names twice: parsers keep the last silently, a contract must not."""
    repeated: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                repeated.append(key)
            seen.add(key)

    # Numbers stay text: int() refuses more than 4,300 digits, and no value is needed here.
    json.loads(block, object_pairs_hook=note, parse_int=str, parse_float=str)
    if not repeated:
        return None
    key = diagnose.quote(repeated[0])
    return Fault(
        Kind.EXTRA_KEY, f"the key {key} stands twice in one object", pointer=(rf'("{re.escape(repeated[0])}")\s*:', 1)
    )
