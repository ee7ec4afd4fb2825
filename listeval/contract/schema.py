"""`Schema`: an answer of any type that a JSON Schema describes, one schema a document.

The JSON Schema decides (draft 2020-12, or the one that `$schema` names); its refusals become errors of the shape stage,
so kinds, places and sentences are those of every other contract. The root is the answer's own: a list that holds the
object which the schema asks for is a list. Beyond the schema JSON's own rules hold: a key stands once in an object, and
numbers are finite. `format` is an annotation, as the standard has it, and is not checked; `multipleOf` is exact in
decimals.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from typing import Any, ClassVar

from pydantic_core import InitErrorDetails, PydanticCustomError, SchemaValidator, ValidationError, core_schema

from listeval.contract.base import Contract
from listeval.contract.closest import Path
from listeval.contract.extract import Extraction
from listeval.contract.schema_references import APPLIED, JOINED, References
from listeval.contract.schema_refusals import Broken, broken_by
from listeval.contract.schema_validator import compiled
from listeval.contract.shape import broken_places, kind_of_type
from listeval.contract.taxonomy import Kind

_TYPES = ("object", "array", "string", "number", "boolean", "null")
_OPTIONS = ("anyOf", "oneOf")
_DEEPEST = 16
"""So deep in options the types of a root are looked for."""
_MOST = 64
"""So many refusals of one answer are looked at; the first kind among them names it."""
_LATEST = "https://json-schema.org/draft/2020-12/schema"


class Schema(Contract[Any]):
    """Any JSON value that `schema` admits; parses to that value, as `json.loads` reads it.

    `schema` is taken as sound, see `why_no_schema`.
    """

    depth: ClassVar[int] = 0
    takes_wrapped: ClassVar[bool] = False

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = dict(schema)
        self._text = json.dumps(self._schema)
        types = root_types(self._text)
        self.extraction = _EXTRACTION.get(types, Extraction.OUTERMOST_JSON)
        self.noun = _NOUN.get(types, "JSON value")  # type: ignore[misc]  # each schema has its own
        self.validate = self._validated

    def _validated(self, block: str) -> Any:
        value = _READER.validate_json(block)
        found = [_error(each) for each in islice(self._errors(value), _MOST)]
        if found:
            raise ValidationError.from_exception_data("Schema", found)
        return value

    def broken(self, block: str) -> list[tuple[Path, Kind]]:
        """Every place where a block of JSON breaks the schema, once for each kind of fault; none where it keeps it."""
        try:
            value = _READER.validate_json(block)
        except ValidationError as error:  # a number that no float or int holds
            return broken_places(self, block, error)
        return list(dict.fromkeys((each.path, kind_of_type(each.type)) for each in self._errors(value)))

    def _errors(self, value: Any) -> Iterator[Broken]:
        endless = next(_not_finite(value, ()), None)
        if endless is not None:
            yield Broken(endless, "schema_value", "should be a finite number", value)
            return
        schema = compiled(self._text)
        yield from broken_by(schema.validator.iter_errors(value), schema.references)

    def keys(self) -> Collection[str]:
        return property_names(self._text)

    def json_schema(self) -> dict[str, Any]:
        return {word: part for word, part in self._schema.items() if (word, part) != ("$schema", _LATEST)}

    def spec(self) -> dict[str, Any]:
        return {"shape": "schema", "schema": sha256(self._text.encode()).hexdigest()[:16]}


_READER = SchemaValidator(core_schema.any_schema())
_EXTRACTION = {
    frozenset({"object"}): Extraction.OUTERMOST_OBJECT,
    frozenset({"array"}): Extraction.OUTERMOST_ARRAY,
}
_NOUN = {frozenset({"object"}): "JSON object", frozenset({"array"}): "JSON list"}


@lru_cache(maxsize=512)
def root_types(text: str) -> frozenset[str]:
    """The JSON types that an answer's root may have by the schema of this text; all where it does not say."""
    schema = compiled(text)
    return _types(schema.validator.schema, schema.references, 0)


def _types(schema: Any, references: References, depth: int) -> frozenset[str]:
    found = frozenset(_TYPES)
    for node in references.within(schema, JOINED) if depth <= _DEEPEST else ():
        if "type" in node:
            named = node["type"] if isinstance(node["type"], list) else [node["type"]]
            # Draft 3 also has schemas here, and a type for all.
            told = all(name in (*_TYPES, "integer") for name in named)
            found &= {"number" if name == "integer" else name for name in named} if told else found
        for word in _OPTIONS:
            if isinstance(node.get(word), list):
                found &= frozenset().union(*(_types(option, references, depth + 1) for option in node[word]))
    return found


@lru_cache(maxsize=512)
def property_names(text: str) -> tuple[str, ...]:
    """The keys that the schema of this text names for objects at the root, or right within the root's list."""
    schema = compiled(text)
    roots = [schema.validator.schema, *schema.references.below(schema.validator.schema, (0,))]
    names = [
        node["properties"]
        for root in roots
        for node in schema.references.within(root, APPLIED)
        if isinstance(node.get("properties"), dict)
    ]
    return tuple(dict.fromkeys(name for each in names for name in each))


def _not_finite(value: Any, path: Path) -> Iterator[Path]:
    """Where NaN and infinities stand, which JSON has none of and a large exponent makes."""
    if isinstance(value, float) and not math.isfinite(value):
        yield path
    elif isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(part, dict | list | float):
                yield from _not_finite(part, (*path, key))


def _error(broken: Broken) -> InitErrorDetails:
    # The sentence is an argument: braces in it would be read as a template's.
    kind = PydanticCustomError(broken.type, "{said}", {"said": broken.said})
    return InitErrorDetails(type=kind, loc=broken.path, input=broken.value)
