"""The fixed part of a list answer as a byte automaton: punctuation, keys and numbers; where ids go is left open.

The text is `[`, K objects with the same fields in the same order, `]`. One field holds the id, all
others numbers. What follows an id depends on whether ids are left (`,` and an object) or not (`]`),
so the states after an id exist twice. Where the spacing leaves whitespace open, a place between two
pieces is several states, and what follows leaves from each of them: no piece begins with whitespace.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from listeval.contract.separators import USUAL, Separators
from listeval.decoding.permutation.number_form import NumberForm, number_automaton
from listeval.decoding.spacing import MOST_WHITESPACE, WHITESPACE, Spacing
from listeval.errors import UserError

_COMPACT = Separators(",", ":")


class Field(NamedTuple):
    """A key and the form of its value; the field without a form holds the id."""

    name: str
    form: NumberForm | None


@dataclass(frozen=True, slots=True)
class Layout:
    """How every object of the list is written. Exactly one field holds the id; names differ.

    `gold` are the separators of the task's gold answers, None where these have no one pair. Raises UserError for
    other fields, and for the spacing `gold` without separators or with others than a mark and whitespace after it.
    """

    fields: tuple[Field, ...]
    spacing: Spacing = Spacing.EITHER
    gold: Separators | None = USUAL

    def __post_init__(self) -> None:
        # A plain string equals its policy and would share its place in caches, but it is not the policy.
        object.__setattr__(self, "spacing", Spacing(self.spacing))
        names = [name for name, _ in self.fields]
        if len(set(names)) != len(names) or sum(form is None for _, form in self.fields) != 1:
            raise UserError(f"fields {names} of a permutation must differ, and one alone holds the id")
        if self.spacing is Spacing.GOLD and self.gold is None:
            cause = "the task's gold answers are not spaced in one way (after ',' and ':' alone, each time the same)"
            raise UserError(cause, place="--spacing gold", fix="use --spacing either or free")
        for mark, separator in zip(_COMPACT, self.gold or _COMPACT, strict=True):
            if separator.strip(WHITESPACE) != mark or not separator.startswith(mark):
                raise UserError(f"{separator!r} is no separator of JSON", fix=f"give '{mark}' and whitespace after it")

    @property
    def separators(self) -> Separators:
        """What `write` and a scaffold put between items and after keys: as gold does, where the spacing has that."""
        if self.spacing is Spacing.COMPACT:
            return _COMPACT
        spaces, most = {Spacing.EITHER: (" ", 1)}.get(self.spacing, (WHITESPACE, MOST_WHITESPACE))
        gold = self.gold or USUAL
        within = all(len(mark) <= 1 + most and not mark[1:].strip(spaces) for mark in gold)
        return gold if within or self.spacing is Spacing.GOLD else USUAL

    @property
    def widest(self) -> tuple[Separators, str]:
        """The longest separators that may be written, and the longest whitespace elsewhere."""
        if self.spacing is Spacing.EITHER:
            return USUAL, ""
        if self.spacing is Spacing.FREE:
            pad = " " * MOST_WHITESPACE
            return Separators(f"{pad},{pad}", f"{pad}:{pad}"), pad
        return self.separators, ""

    def spec(self) -> dict[str, Any]:
        """JSON; see `layout_of`."""
        fields = [[name, form.spec() if form else None] for name, form in self.fields]
        return {"fields": fields, "spacing": self.spacing.value, "gold": list(self.gold) if self.gold else None}


def layout_of(spec: Mapping[str, Any]) -> Layout:
    """The layout that wrote `spec`. Raises UserError, KeyError, TypeError or ValueError for another object."""
    fields = (Field(str(name), NumberForm(**form) if form is not None else None) for name, form in spec["fields"])
    return Layout(tuple(fields), Spacing(spec["spacing"]), Separators(*spec["gold"]) if spec["gold"] else None)


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
    """Every byte that an answer cannot do without, whitespace that may be left out not being one."""


START, ID, MORE, LAST, END = range(5)


@lru_cache(maxsize=64)
def skeleton(layout: Layout) -> Skeleton:
    """The automaton of a layout. From every state END can be reached."""
    return _Builder(layout).build()


class _Builder:
    """Writes pieces one after the other. A place is the states in which it may be; the next piece leaves them all."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._edges: list[dict[int, int]] = [{} for _ in range(END + 1)]
        self._alphabet: set[int] = set()

    def build(self) -> Skeleton:
        at = next(place for place, field in enumerate(self._layout.fields) if field.form is None)
        before, after = self._layout.fields[:at], self._layout.fields[at + 1 :]
        more, last = (self._rest([state], after) for state in (MORE, LAST))
        self._text(self._pad(last), "]", END)
        first = self._pad(self._text(self._pad([START]), "["))
        here = self._pad(self._text([*first, *self._separate(more, 0)], "{"))
        for name, form in before:
            here = self._separate(self._number(self._key(here, name), form), 0)
        self._text(self._key(here, self._layout.fields[at].name), '"', ID)
        return Skeleton(self._layout, tuple(self._edges), bytes(sorted(self._alphabet)))

    def _rest(self, here: Sequence[int], after: Sequence[Field]) -> Sequence[int]:
        """From behind an id to behind its object's closing brace."""
        for name, form in after:
            here = self._number(self._key(self._separate(here, 0), name), form)
        return self._text(self._pad(here), "}")

    def _key(self, here: Sequence[int], name: str) -> Sequence[int]:
        return self._separate(self._text(here, json.dumps(name, ensure_ascii=False)), 1)

    def _separate(self, here: Sequence[int], which: int) -> Sequence[int]:
        """A separator, `which` of the two, and the whitespace that may stand around it."""
        here = self._text(self._pad(here), _COMPACT[which])
        if self._layout.spacing is Spacing.EITHER:
            return self._gap(here, " ", 1)
        if self._layout.spacing is Spacing.GOLD:
            return self._text(here, self._layout.separators[which][1:])
        return self._pad(here)

    def _pad(self, here: Sequence[int]) -> Sequence[int]:
        """The same place after what whitespace the spacing allows everywhere."""
        return self._gap(here, WHITESPACE, MOST_WHITESPACE) if self._layout.spacing is Spacing.FREE else here

    def _gap(self, here: Sequence[int], spaces: str, most: int) -> Sequence[int]:
        """The same place after none to `most` of `spaces`."""
        found = list(here)
        for _ in range(most):
            following = self._new()
            for start in here:
                self._edges[start].update(dict.fromkeys(spaces.encode(), following))
            found, here = [*found, following], [following]
        return found

    def _new(self) -> int:
        self._edges.append({})
        return len(self._edges) - 1

    def _text(self, here: Sequence[int], text: str, target: int | None = None) -> Sequence[int]:
        """A chain that writes `text`; its last state, which may be given."""
        letters = text.encode()
        self._alphabet.update(letters)
        for place, byte in enumerate(letters):
            last = place == len(letters) - 1
            following = target if last and target is not None else self._new()
            for start in here:
                self._edges[start][byte] = following
            here = [following]
        return here

    def _number(self, here: Sequence[int], form: NumberForm | None) -> Sequence[int]:
        """A number; the states where it may end."""
        assert form is not None, "only the id's field has no form"
        edges, ends = number_automaton(form)
        self._alphabet.update(*edges)
        names = [0, *(self._new() for _ in edges[1:])]
        for start in here:
            self._edges[start].update({byte: names[after] for byte, after in edges[0].items()})
        for name, moves in zip(names[1:], edges[1:], strict=True):
            self._edges[name].update({byte: names[after] for byte, after in moves.items()})
        return [names[end] for end in ends]
