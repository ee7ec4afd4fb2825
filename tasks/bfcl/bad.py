"""Known-bad answers to a question, one for each kind of failure that an answer's text can show."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from listeval import Call, Kind


def bad_answers(calls: Sequence[Call]) -> dict[Kind, str]:
    """Answers by the kind that each must land in, made from `calls` that keep the contract."""
    name, arguments = calls[0].name, calls[0].arguments
    good = _list(name=name, arguments=arguments)
    return {
        Kind.BAD_VALUE: _list(name=f"{name}_of_another_kind", arguments=arguments),
        Kind.EXTRA_KEY: _list(name=name, arguments={**arguments, "no_such_argument": 1}),
        Kind.MISSING_KEY: _list(arguments=arguments),
        Kind.WRONG_TYPE: json.dumps([f"{name}()"]),
        Kind.MALFORMED_JSON: good.replace('"arguments": ', '"arguments": : ', 1),
        Kind.NO_JSON: "The functions that are needed here have been called.",
        Kind.REFUSAL: "I'm sorry, but I can't call functions.",
        Kind.EMPTY: "",
    }


def _list(**call: str | Mapping[str, Any]) -> str:
    return json.dumps([call], ensure_ascii=False)
