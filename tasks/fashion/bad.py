"""Known-bad answers to a group, one for each kind of failure that an answer's text can show."""

from __future__ import annotations

from collections.abc import Sequence

from listeval.contract import Kind

from .prompting import answer


def bad_answers(ids: Sequence[str]) -> dict[Kind, str]:
    """Answers about `ids` (at least two) by the kind that each must land in.

    Positions are left out where they could be ids, as row numbers can.
    """
    stranger = "x" + "-".join(ids)
    positions = [str(place) for place in range(1, len(ids) + 1)]
    answers = {
        Kind.DUPLICATE_ID: _list([ids[0], ids[0], *ids[2:]]),
        Kind.MISSING_ID: _list(ids[:-1]),
        Kind.UNKNOWN_ID: _list([*ids[:-1], stranger]),
        Kind.TOO_LONG: _list([*ids, stranger]),
        Kind.MISSING_KEY: _list(ids).replace(', "score": 5', "", 1),
        Kind.EXTRA_KEY: _list(ids).replace('"score": 5', '"score": 5, "why": "concrete"', 1),
        Kind.BAD_VALUE: _list(ids).replace('"score": 5', '"score": "high"', 1),
        Kind.WRONG_TYPE: '["first", "second"]',
        Kind.MALFORMED_JSON: _list(ids).replace('"score": 5', '"score": ', 1),
        Kind.NO_JSON: "The first review is the most helpful one, the last one says little.",
        Kind.REFUSAL: "I'm sorry, but I can't help with that.",
        Kind.EMPTY: "",
    }
    if set(positions).isdisjoint(ids):
        answers[Kind.POSITION_ONLY] = _list(positions)
    return answers


def _list(ids: Sequence[str]) -> str:
    # Joined, not built from a dict, because a bad list may name an id twice.
    return "[" + ", ".join(answer({name: 5.0})[1:-1] for name in ids) + "]"
