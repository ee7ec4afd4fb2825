"""What tasks whose answer is one JSON object share: its text, and known-bad answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from listeval.contract import Kind


def record_answer(values: Mapping[str, Any]) -> str:
    """The object as text, spaced as most models write JSON."""
    return json.dumps(values, ensure_ascii=False)


def bad_records(good: Mapping[str, Any], bad: Mapping[str, Any], prose: str) -> dict[Kind, str]:
    """An answer for each kind that the text of one object can show.

    `good` is a right answer, `bad` the same keys with a value of another form, `prose` the
    answer in words, without brackets.
    """
    last = list(good)[-1]
    return {
        Kind.MISSING_KEY: record_answer({key: value for key, value in good.items() if key != last}),
        Kind.EXTRA_KEY: record_answer({**good, "confidence": "high"}),
        Kind.BAD_VALUE: record_answer(bad),
        Kind.WRONG_TYPE: json.dumps(list(good)),
        Kind.MALFORMED_JSON: record_answer(good)[:-1] + ",,}",
        Kind.NO_JSON: prose,
        Kind.REFUSAL: "I'm sorry, but I can't help with that.",
        Kind.EMPTY: "",
    }
