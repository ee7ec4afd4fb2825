"""What tasks whose answer is one JSON object share: known-bad answers and the turns of worked examples."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from listeval.backends.protocol import Message
from listeval.contract import Kind


def answer(values: Mapping[str, Any]) -> str:
    """The object as text, spaced as most models write JSON."""
    return json.dumps(values, ensure_ascii=False)


def turns(worked: Iterable[tuple[str, str]], question: str) -> tuple[Message, ...]:
    """Each worked (question, answer) as a user and an assistant turn, then the question."""
    shown = chain.from_iterable((Message("user", ask), Message("assistant", said)) for ask, said in worked)
    return (*shown, Message("user", question))


def bad_answers(good: Mapping[str, Any], bad: Mapping[str, Any], prose: str) -> dict[Kind, str]:
    """An answer for each kind that the text of one object can show.

    `good` is a right answer, `bad` the same keys with a value of another form, `prose` the
    answer in words, without brackets.
    """
    last = list(good)[-1]
    return {
        Kind.MISSING_KEY: answer({key: value for key, value in good.items() if key != last}),
        Kind.EXTRA_KEY: answer({**good, "confidence": "high"}),
        Kind.BAD_VALUE: answer(bad),
        Kind.WRONG_TYPE: json.dumps(list(good)),
        Kind.MALFORMED_JSON: answer(good)[:-1] + ",,}",
        Kind.NO_JSON: prose,
        Kind.REFUSAL: "I'm sorry, but I can't help with that.",
        Kind.EMPTY: "",
    }
