"""JSON Schema by `jsonschema`, without a network: one compiled validator a schema, and why a schema cannot be used.

A schema says its draft in `$schema`; one that does not is of 2020-12. What `$ref` names outside the document is never
fetched: a schema may come from somebody else, and an address in it is not the user's word.

Where we differ from `jsonschema` is in `schema_class`. As there, patterns are read by Python's `re`, not as ECMA-262
has them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from listeval.contract.schema_class import draft_of, named_class, own_class
from listeval.contract.schema_references import References
from listeval.contract.schema_refusals import UNREADABLE, broken_by, sentence, shown, unreadable
from listeval.contract.schema_words import doubts, why_says_nothing, words_of_draft
from listeval.errors import first_line

if TYPE_CHECKING:
    from jsonschema.exceptions import SchemaError


class Compiled:
    """A schema that is ready to check values, and what its references name."""

    def __init__(self, text: str) -> None:
        from jsonschema import Draft202012Validator
        from jsonschema_specifications import REGISTRY

        schema = json.loads(text)
        kind = named_class(schema) if isinstance(schema, dict) else None
        self.validator: Any = own_class(kind or Draft202012Validator)(schema, registry=REGISTRY)

    @cached_property
    def references(self) -> References:
        """Of the very schema of the validator, whose nodes its refusals name."""
        return References(self.validator.schema, draft_of(self.validator))


@lru_cache(maxsize=512)
def compiled(text: str) -> Compiled:
    """The schema of this text, once for equal texts."""
    return Compiled(text)


def schema_validator(schema: Mapping[str, Any]) -> Any:
    """The `jsonschema` validator of the schema's draft, compiled once for equal schemas."""
    return compiled(json.dumps(schema)).validator


def why_no_schema(schema: Any) -> str | None:
    """What keeps a JSON value from being a schema that answers can be checked against; None for a good one."""
    if not isinstance(schema, dict):
        return "a schema is a JSON object"
    try:
        return _why_no_schema(json.dumps(schema))
    except (ValueError, TypeError, RecursionError) as error:
        return f"no JSON Schema: {first_line(error)}"


@lru_cache(maxsize=512)
def _why_no_schema(text: str) -> str | None:
    from jsonschema.exceptions import SchemaError

    found = compiled(text)
    validator = found.validator
    if fault := why_says_nothing(validator.schema, words_of_draft(validator)):
        return fault
    try:
        type(validator).check_schema(validator.schema)
    except SchemaError as error:
        return _unsound(error, validator)
    return next(_unusable(found.references), None)


def schema_doubts(schema: Mapping[str, Any]) -> list[str]:
    """What a schema that can be used says in vain: an unknown draft, keys that are no keywords, a line each."""
    validator = schema_validator(schema)
    found = list(doubts(schema, words_of_draft(validator), lambda word, value: _may_have(validator, word, value)))
    if "$schema" in schema and named_class(schema) is None:
        found.insert(0, f"'$schema' names no known draft ({shown(schema['$schema'])}): read as draft 2020-12")
    return found


def _may_have(validator: Any, word: str, value: Any) -> bool:
    """Whether the draft lets the keyword have the value."""
    from jsonschema.exceptions import SchemaError

    try:
        type(validator).check_schema({word: value})
    except SchemaError:
        return False
    return True


def _unsound(error: SchemaError, validator: Any) -> str:
    """What the draft, or Python, refuses in a schema, in words."""
    said, path = sentence(error), tuple(error.absolute_path)
    if error.context:
        told = next(broken_by([error], References(type(validator).META_SCHEMA, draft_of(validator))))
        said, path = told.said.removeprefix("does not fit: "), told.path
    # A pattern that Python cannot read may be a good one.
    fault = said if said.startswith(UNREADABLE) else f"no JSON Schema: {said}"
    return fault + (f" at {'/'.join(map(str, path))}" if path else "")


def _unusable(references: References) -> Iterator[str]:
    """What the draft admits, and nothing can be checked against."""
    for reference in references.lost:
        yield f"{reference[:120]!r} is not in the schema, and nothing is fetched"
    if circle := references.circle():
        yield f"{circle[:120]!r} leads to nothing but itself"
    for pattern in (pattern for node in references.nodes for pattern in node.get("patternProperties") or ()):
        try:
            re.compile(pattern)
        except re.error as error:
            yield unreadable(pattern, error)
