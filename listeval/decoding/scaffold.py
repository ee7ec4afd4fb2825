"""A list answer in input order, cut into what is certain and what is decoded: fixed text and numbers in turn."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple, Self

from listeval.decoding.number_form import NumberAutomaton, NumberForm, number_automaton
from listeval.decoding.permutation_spec import PermutationSpec


class Scaffold(NamedTuple):
    """`texts[0] numbers[0] texts[1] ... numbers[-1] texts[-1]`: one text more than numbers."""

    texts: tuple[str, ...]
    numbers: tuple[NumberForm, ...]

    @classmethod
    def of(cls, spec: PermutationSpec) -> Self:
        """The answers of `spec` that name its ids in input order."""
        comma, colon = spec.layout.separators
        texts: list[str] = []
        numbers: list[NumberForm] = []
        text = "["
        for place, name in enumerate(spec.ids):
            text += (comma if place else "") + "{"
            for at, (key, form) in enumerate(spec.layout.fields):
                text += (comma if at else "") + json.dumps(key, ensure_ascii=False) + colon
                if form is None:
                    text += json.dumps(name, ensure_ascii=False)
                else:
                    texts.append(text)
                    numbers.append(form)
                    text = ""
            text += "}"
        return cls((*texts, text + "]"), tuple(numbers))

    def pattern(self) -> str:
        """A regular expression of exactly these answers, in the syntax that all stock engines share."""
        parts = [_escape(self.texts[0])]
        for form, text in zip(self.numbers, self.texts[1:], strict=True):
            parts += [_number(number_automaton(form)), _escape(text)]
        return "".join(parts)


def _escape(text: str) -> str:
    """Only ASCII punctuation that means something: engines differ in which other escapes they know."""
    return re.sub(r"([\\.^$*+?{}\[\]()|/-])", r"\\\1", text)


def _number(automaton: NumberAutomaton) -> str:
    """Numbers are of bounded length, so their automaton has no loops and unfolds into an expression."""
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
    return _escape(letters[0]) if len(letters) == 1 else "[" + "".join(map(_escape, letters)) + "]"
