"""Known-bad answers of any schema: what can be broken is read from the schema, not from the contract under test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from listeval import Kind

_STRANGER = "zq_no_such_key"
_SCALARS = ("string", "integer", "number", "boolean")


def bad_answers(schema: Mapping[str, Any], good: Any) -> dict[Kind, str]:
    """An answer for each kind that this schema's root makes certain; `good` is a right one."""
    found = {
        Kind.NO_JSON: "There is nothing of the kind.",
        Kind.REFUSAL: "I'm sorry, but I can't help with that.",
        Kind.EMPTY: "",
    }
    if schema.get("type") != "object" or not isinstance(good, dict) or not good:
        return found
    found[Kind.WRONG_TYPE] = json.dumps(list(good))
    found[Kind.MALFORMED_JSON] = json.dumps(good)[:-1] + ",,}"
    required = [name for name in schema.get("required", ()) if name in good]
    if required and not {"minProperties", "anyOf", "oneOf", "allOf", "if"} & schema.keys():
        found[Kind.MISSING_KEY] = json.dumps({name: part for name, part in good.items() if name != required[-1]})
    closed = schema.get("additionalProperties") is False and "patternProperties" not in schema
    if closed and not {"maxProperties", "anyOf", "oneOf", "allOf", "if"} & schema.keys():
        found[Kind.EXTRA_KEY] = json.dumps({**good, _STRANGER: 1})
    properties = schema.get("properties", {})
    scalar = next(
        (n for n in good if isinstance(properties.get(n), dict) and properties[n].get("type") in _SCALARS), ""
    )
    if scalar:
        found[Kind.BAD_VALUE] = json.dumps({**good, scalar: {}})
    return found
