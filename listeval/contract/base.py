"""The contract protocol and its one-pass parse: validation on the happy path, diagnosis only on failure."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Generic

from pydantic import BaseModel, FailFast, TypeAdapter
from pydantic_core import ValidationError

from listeval.contract import diagnose
from listeval.contract.extract import Extraction, extract, is_bare, surroundings
from listeval.contract.outcome import Failure, Fault, Parsed, V
from listeval.contract.output_type import answer_type
from listeval.contract.separators import Separators
from listeval.contract.strictness import check_nested
from listeval.contract.taxonomy import Flag, Kind
from listeval.errors import words_of


class Contract(ABC, Generic[V]):
    """What a valid answer to one example is. Immutable once built."""

    extraction: Extraction
    validate: Callable[[str], V]
    """Reads a block in one pass; raises pydantic's ValidationError."""
    depth: ClassVar[int]
    """How many levels of the answer are the contract's own shape (a list of objects: 1)."""
    noun: ClassVar[str]
    """What the contract asks for, in words, for messages."""
    takes_wrapped: ClassVar[bool] = True
    """Whether the block may stand within other JSON: the paper's rule for lists, and the flag `json_wrapped`."""
    separators: Separators | None = Separators()
    """How the task spaces its gold answers, for constrained decoding alone; None where no one way says it.

    Whoever binds the contract to an example for a constrained run sets it from that example's gold answer.
    """

    @property
    def bracket(self) -> str:
        """What a valid answer opens with: `[`, `{`, or either."""
        return {Extraction.OUTERMOST_ARRAY: "[", Extraction.OUTERMOST_OBJECT: "{"}.get(self.extraction, "[{")

    def keys(self) -> Collection[str]:
        """The keys of an answer's objects: what tells an object with unquoted keys from a set in words."""
        return ()

    def is_bare(self, text: str) -> bool:
        """Whether the text *is* JSON of the contract's type, so that a consumer may call `json.loads` on it."""
        return is_bare(self.extraction, text)

    def check(self, value: V, block: str) -> Fault | None:
        """Rules beyond the schema, on a schema-valid value and the text that it was read from."""
        return repeated_key(block)

    def value_flags(self, block: str) -> tuple[Flag, ...]:
        """Flags of a valid block itself."""
        return ()

    def laxity(self) -> str:
        """What the contract's own model leaves to pydantic (other types, further keys), in words; empty for nothing."""
        return ""

    @abstractmethod
    def json_schema(self) -> dict[str, Any]:
        """JSON Schema (2020-12) of a valid answer, keys in the order in which they are to be written."""

    def output_type(self) -> type[BaseModel]:
        """The answer as a pydantic type, for a program of your own: `model(prompt, contract.output_type())` of
        Outlines, `response_model=` of instructor. Where the contract is a user's model, a subclass of it that
        reads as strictly as the contract does.
        """
        return answer_type(self)

    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """What binds the contract to its example, as JSON: hashed into row keys, so cheap."""

    def parse(self, text: str, finish_reason: str = "stop", reasoning: str | None = None) -> Parsed[V] | Failure:
        """The value of an answer, or why it has none. Never raises, linear in the text.

        `finish_reason` is the engine's ("stop", "length", "content_filter", "error");
        `reasoning` is text that came in a channel of its own. Where the contract's own code raises,
        `Failure.raised` says what, and the answer is neither right nor wrong.
        """
        try:
            return self._read(text, finish_reason, reasoning)
        except Exception as error:  # noqa: BLE001 - a contract's own validators may raise anything
            said = f"{type(error).__name__}: {words_of(error)}"
            return Failure(Kind.CONTRACT_OTHER, f"the contract's own code raised {said}", raised=said)

    def _read(self, text: str, finish_reason: str, reasoning: str | None) -> Parsed[V] | Failure:
        if finish_reason != "stop":
            early = diagnose.unfinished(self, text, finish_reason)
            if early is not None:
                return early
        span = extract(self.extraction, text)
        if span is None:
            return diagnose.no_block(self, text, reasoning)
        block = text if span == (0, len(text)) else text[span[0] : span[1]]
        if block is not text and not self.takes_wrapped:
            other = diagnose.within_other(self, text, span)
            if other is not None:
                return other
        try:
            value = self.validate(block)
        except ValidationError as error:
            return diagnose.invalid(self, text, span, error, reasoning)
        fault = self.check(value, block)
        if fault is not None:
            return diagnose.faulty(text, span, fault, self.keys())
        flags = self.value_flags(block)
        return Parsed(value, flags if block is text else surroundings(text, span, self.keys()) + flags, span)


@lru_cache(maxsize=256)
def validator(model: Any) -> Callable[[str], Any]:
    """pydantic-core's JSON entry for a type, without the wrapper around it.

    Raises ValueError where a model within it is not strict, see `strictness`.
    """
    check_nested(model)
    return TypeAdapter(model).validator.validate_json


def list_validator(item: Any) -> Callable[[str], Any]:
    """As `validator`, for a list of `item` that stops at the first faulty object.

    That object decides the kind, and 100,000 faulty ones cost no more memory than one.
    Raises ValueError where a model within it is not strict, see `strictness`.
    """
    check_nested(item)
    return TypeAdapter(Annotated[list[item], FailFast()]).validator.validate_json


@lru_cache(maxsize=256)
def model_keys(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys of a model's object, as JSON has them."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


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
