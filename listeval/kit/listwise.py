"""What tasks with a scored list share: the JSON of an answer, worked examples and known-bad answers.

An answer is `[{KEY: id, "score": number}, ...]`, one object an item (`listeval.contract.KeyedList`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from listeval.contract import Kind
from listeval.errors import UserError

T = TypeVar("T")


def list_answer(key: str, scores: Mapping[str, float]) -> str:
    """The list that gives each id its score, spaced as most models write JSON; whole scores as integers."""
    rows = [{key: name, "score": int(score) if score == int(score) else score} for name, score in scores.items()]
    return json.dumps(rows, ensure_ascii=False)


def worked_examples(pool: Iterable[T], shots: int, fits: Callable[[T], bool], asked: str, part: str) -> list[T]:
    """The first `shots` of the pool that fit the example `asked`; `part` names the part of the data that the pool is.

    Taken in the pool's order, so that nearly all questions share one prefix, which engines cache.
    Raises UserError where too few fit.
    """
    if not shots:
        return []
    chosen: list[T] = []
    for candidate in pool:
        if fits(candidate):
            chosen.append(candidate)
            if len(chosen) == shots:
                return chosen
    cause = f"{shots} worked examples are asked for, {part} has {len(chosen)} for {asked}"
    raise UserError(cause, fix="lower --set shots, or give more data")


def bad_lists(key: str, ids: Sequence[str]) -> dict[Kind, str]:
    """Answers about `ids` (at least two) by the kind that each must land in: one for each that a text can show.

    Positions are left out where they could be ids, as row numbers can.
    """
    stranger = "x" + "-".join(ids)
    positions = [str(place) for place in range(1, len(ids) + 1)]
    good = _list(key, ids)
    answers = {
        Kind.DUPLICATE_ID: _list(key, [ids[0], ids[0], *ids[2:]]),
        Kind.MISSING_ID: _list(key, ids[:-1]),
        Kind.UNKNOWN_ID: _list(key, [*ids[:-1], stranger]),
        Kind.TOO_LONG: _list(key, [*ids, stranger]),
        Kind.MISSING_KEY: good.replace(', "score": 5', "", 1),
        Kind.EXTRA_KEY: good.replace('"score": 5', '"score": 5, "why": "concrete"', 1),
        Kind.BAD_VALUE: good.replace('"score": 5', '"score": "high"', 1),
        Kind.WRONG_TYPE: '["first", "second"]',
        Kind.MALFORMED_JSON: good.replace('"score": 5', '"score": ', 1),
        Kind.NO_JSON: "The first one is by far the best, the last one says little.",
        Kind.REFUSAL: "I'm sorry, but I can't help with that.",
        Kind.EMPTY: "",
    }
    if set(positions).isdisjoint(ids):
        answers[Kind.POSITION_ONLY] = _list(key, positions)
    return answers


def _list(key: str, ids: Sequence[str]) -> str:
    # Joined, not built from a dict, because a bad list may name an id twice.
    return "[" + ", ".join(list_answer(key, {name: 5.0})[1:-1] for name in ids) + "]"
