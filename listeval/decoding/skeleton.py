"""The fixed part of a list answer as a byte automaton: punctuation, keys and numbers; where ids go is left open.

The text is `[`, K objects with the same fields in the same order, `]`. One field holds the id, all
others numbers. What follows an id depends on whether ids are left (`,` and an object) or not (`]`),
so the states after an id exist twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from listeval.decoding.number_form import NumberForm, number_automaton
from listeval.errors import UserError

Spacing = Literal["compact", "spaced"]
_PUNCTUATION: Mapping[str, tuple[str, str]] = {"compact": (",", ":"), "spaced": (", ", ": ")}


class Field(NamedTuple):
    """A key and the form of its value; the field without a form holds the id."""

    name: str
    form: NumberForm | None


@dataclass(frozen=True, slots=True)
class Layout:
    """How every object of the list is written. Exactly one field holds the id; names differ."""

    fields: tuple[Field, ...]
    spacing: Spacing = "compact"

    def __post_init__(self) -> None:
        names = [name for name, _ in self.fields]
        if len(set(names)) != len(names) or sum(form is None for _, form in self.fields) != 1:
            raise UserError(f"fields {names} of a permutation must differ, and one alone holds the id")
        if self.spacing not in _PUNCTUATION:
            raise UserError(f"unknown spacing '{self.spacing}'", fix=f"known: {', '.join(_PUNCTUATION)}")

    @property
    def separators(self) -> tuple[str, str]:
        """What stands between items and after keys, as `json.dumps` takes them."""
        return _PUNCTUATION[self.spacing]

    def spec(self) -> dict[str, Any]:
        """JSON; see `layout_of`."""
        fields = [[name, form.spec() if form else None] for name, form in self.fields]
        return {"fields": fields, "spacing": self.spacing}


def layout_of(spec: Mapping[str, Any]) -> Layout:
    """The layout that wrote `spec`. Raises UserError, KeyError, TypeError or ValueError for another object."""
    fields = (Field(str(name), NumberForm(**form) if form is not None else None) for name, form in spec["fields"])
    return Layout(tuple(fields), spec["spacing"])


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """`edges[state][byte]` is the next state. Four states are special:

    ID: an id's letters and closing quote come next, then MORE or LAST goes on
    MORE, LAST: just after an id, with ids left or none
    END: the answer is complete
    """

    layout: Layout
    edges: tuple[Mapping[int, int], ...]
    alphabet: bytes = field(repr=False)
    """Every byte that an edge carries."""


START, ID, MORE, LAST, END = range(5)


@lru_cache(maxsize=64)
def skeleton(layout: Layout) -> Skeleton:
    """The automaton of a layout. From every state END can be reached."""
    return _Builder(layout).build()


class _Builder:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._edges: list[dict[int, int]] = [{} for _ in range(END + 1)]
        self._comma, self._colon = layout.separators

    def build(self) -> Skeleton:
        at = next(place for place, field in enumerate(self._layout.fields) if field.form is None)
        before, after = self._layout.fields[:at], self._layout.fields[at + 1 :]
        item = self._new()
        self._text([START], "[", item)
        here, text = [item], "{"
        for name, form in before:
            here, text = self._number(self._text(here, text + self._key(name)), form), self._comma
        self._text(here, text + self._key(self._layout.fields[at].name) + '"', ID)
        for start, tail, target in ((MORE, "}" + self._comma, item), (LAST, "}]", END)):
            here = [start]
            for name, form in after:
                here = self._number(self._text(here, self._comma + self._key(name)), form)
            self._text(here, tail, target)
        alphabet = bytes(sorted({byte for edges in self._edges for byte in edges}))
        return Skeleton(self._layout, tuple(self._edges), alphabet)

    def _key(self, name: str) -> str:
        return json.dumps(name, ensure_ascii=False) + self._colon

    def _new(self) -> int:
        self._edges.append({})
        return len(self._edges) - 1

    def _text(self, starts: list[int], text: str, target: int | None = None) -> int:
        """A chain that writes `text` from each of `starts`; its last state, which may be given."""
        letters = text.encode()
        for place, byte in enumerate(letters):
            last = place == len(letters) - 1
            following = target if last and target is not None else self._new()
            for start in starts:
                self._edges[start][byte] = following
            starts = [following]
        return starts[0]

    def _number(self, start: int, form: NumberForm | None) -> list[int]:
        """A number from `start` on; the states where it may end."""
        assert form is not None, "only the id's field has no form"
        edges, ends = number_automaton(form)
        names = [start, *(self._new() for _ in edges[1:])]
        for name, moves in zip(names, edges, strict=True):
            self._edges[name].update({byte: names[after] for byte, after in moves.items()})
        return [names[end] for end in ends]
