"""Numbers as regular expressions, in the syntax that all stock engines share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from listeval.decoding.permutation.number_form import LARGEST, MOST_DECIMALS, NumberForm, number_automaton

_WIDEST = NumberForm(-LARGEST, LARGEST, MOST_DECIMALS)
_WIDEST_INTEGER = NumberForm(-LARGEST, LARGEST, 0)
ANY_NUMBER = r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?"
"""JSON numbers of which nothing is promised, cut where a double has no more digits, so that none is endless."""
ANY_INTEGER = r"-?(0|[1-9][0-9]{0,14})"
"""The same, whole."""


def pattern_of(schema: Mapping[str, Any], promise: NumberForm | None = None) -> str | None:
    """The numbers of a JSON Schema: within its own bounds, else the promise's, and always of bounded length.

    None for another type than number or integer, and for keywords that such a pattern would lose (`multipleOf`).
    Raises UserError for bounds that hold no number.
    """
    form = NumberForm.of_schema(schema, promise or _WIDEST)
    if form == _WIDEST:
        return ANY_NUMBER
    if form == _WIDEST_INTEGER:
        return ANY_INTEGER
    return number_pattern(form) if form else None


def escaped(text: str) -> str:
    """Only ASCII punctuation that means something: engines differ in which other escapes they know."""
    return re.sub(r"([\\.^$*+?{}\[\]()|/-])", r"\\\1", text)


@lru_cache(maxsize=64)
def number_pattern(form: NumberForm) -> str:
    """Exactly the numbers of a form."""
    # Numbers are of bounded length, so their automaton has no loops and unfolds into an expression.
    automaton = number_automaton(form)
    known: dict[int, str] = {}

    def rest(state: int) -> str:
        if state not in known:
            known[state] = _choice(automaton.edges[state], state in automaton.ends)
        return known[state]

    def _choice(edges: Mapping[int, int], may_end: bool) -> str:
        by_target: dict[int, list[int]] = {}
        for byte, after in edges.items():
            by_target.setdefault(after, []).append(byte)
        options = [_any_of(bytes_) + rest(after) for after, bytes_ in by_target.items()]
        if not options:
            return ""
        joined = options[0] if len(options) == 1 and not may_end else f"({'|'.join(options)})"
        return joined + ("?" if may_end else "")

    return rest(0)


def _any_of(bytes_: list[int]) -> str:
    letters = [chr(byte) for byte in sorted(bytes_)]
    return escaped(letters[0]) if len(letters) == 1 else "[" + "".join(map(escaped, letters)) + "]"
