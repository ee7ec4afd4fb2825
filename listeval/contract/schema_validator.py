"""JSON Schema by `jsonschema`, without a network: one compiled validator a schema, and why a schema cannot be used.

A schema says its draft in `$schema`; one that does not is of 2020-12. What `$ref` names outside the document is never
fetched: a schema may come from somebody else, and an address in it is not the user's word.

In one keyword we differ from `jsonschema`: `multipleOf` is exact in decimals, see `exact_multiples`. As there, patterns
are read by Python's `re`, not as ECMA-262 has them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from listeval.contract.exact_multiples import exact
from listeval.contract.schema_nodes import followed, nodes, pointed
from listeval.contract.schema_refusals import UNREADABLE, broken_by, sentence
from listeval.contract.schema_words import doubts, why_says_nothing, words_of_draft
from listeval.errors import first_line

if TYPE_CHECKING:
    from jsonschema.exceptions import SchemaError


def schema_validator(schema: Mapping[str, Any]) -> Any:
    """The `jsonschema` validator of the schema's draft, compiled once for equal schemas."""
    return _compiled(json.dumps(schema))


@lru_cache(maxsize=512)
def _compiled(text: str) -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for
    from jsonschema_specifications import REGISTRY

    schema = json.loads(text)
    return exact(validator_for(schema, default=Draft202012Validator))(schema, registry=REGISTRY)


def why_no_schema(schema: Any) -> str | None:
    """What keeps a JSON value from being a schema that answers can be checked against; None for a good one."""
    from jsonschema.exceptions import SchemaError

    if not isinstance(schema, dict):
        return "a schema is a JSON object"
    try:
        validator = schema_validator(schema)
        if fault := why_says_nothing(schema, words_of_draft(validator)):
            return fault
        type(validator).check_schema(schema)
    except SchemaError as error:
        return _unsound(error, validator)
    except (ValueError, TypeError, RecursionError) as error:
        return f"no JSON Schema: {first_line(error)}"
    faults = (_why_unusable(node, schema) for node in nodes(schema))
    return next((fault for fault in faults if fault), None)


def schema_doubts(schema: Mapping[str, Any]) -> list[str]:
    """What a schema that can be used says in vain: keys that are no keywords of its draft, a line each."""
    return list(doubts(schema, words_of_draft(schema_validator(schema))))


def _unsound(error: SchemaError, validator: Any) -> str:
    """What the draft, or Python, refuses in a schema, in words."""
    said, path = sentence(error), tuple(error.absolute_path)
    if error.context:
        told = broken_by(error, type(validator).META_SCHEMA)[0]
        said, path = told.said.removeprefix("does not fit: "), told.path
    # A pattern that Python cannot read may be a good one.
    fault = said if said.startswith(UNREADABLE) else f"no JSON Schema: {said}"
    return fault + (f" at {'/'.join(map(str, path))}" if path else "")


def _why_unusable(node: Mapping[str, Any], root: Mapping[str, Any]) -> str | None:
    """A reference that leads nowhere in this document, or to nothing but itself."""
    target = node.get("$ref")
    if not isinstance(target, str) or any("$id" in one and one is not root for one in nodes(root)):
        return None  # a base of its own: the validator says what does not resolve
    try:
        pointed(target, root)
    except LookupError:
        return f"{target[:120]!r} is not in the schema, and nothing is fetched"
    try:
        followed(node, root)
    except LookupError:
        return f"{target[:120]!r} leads to nothing but itself"
    return None
