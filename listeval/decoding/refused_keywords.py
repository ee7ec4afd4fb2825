"""Which keyword of a schema a server's refusal speaks of, and which keywords can go without changing the shape."""

from __future__ import annotations

import re
from typing import Any

from listeval.contract.schema_nodes import keywords

NARROWING = frozenset(
    {
        "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "pattern", "format", "minimum", "maximum",
        "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "additionalProperties", "minProperties", "maxProperties",
    }
)  # fmt: skip
"""Without one of these a schema admits more answers, all of the same shape."""

_COMMON = frozenset({"type", "properties", "items", "required"})
"""Words that refusals of anything else use too."""


def named(schema: Any, words: str) -> str | None:
    """The keyword of `schema` that a refusal speaks of, the most telling first; None where it names none."""
    found = [word for word in keywords(schema) if re.search(_spelled(word), words)]
    telling = [word for word in found if word in NARROWING] + [
        word for word in found if word not in NARROWING | _COMMON
    ]
    return next(iter(telling), "required" if "required" in found else None)


def _spelled(word: str) -> str:
    """As a whole word, in snake case too."""
    snake = re.sub(r"([A-Z])", r"_\1", word).lower()
    return "|".join(rf"(?<![\w$]){re.escape(name)}(?!\w)" for name in dict.fromkeys((word, snake)))
