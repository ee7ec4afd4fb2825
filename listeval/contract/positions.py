"""Names that refer to an item by its place, or by the prompt's own words for it, in place of its id.

`3`, `#3`, `[3]`, `(3)`, `3.`, `Review 3`, `[Review 3]`, `review_3`, `R3`, `Review 3 (id=A1)`, `review 3 of 8`, `3rd`,
`third review`, `index 2`; and an id that stands within such words: `Review A1`, `A1 (Review 3)`, `3: A1`.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_NOUN = (
    r"(?:(?:reviews?|items?|documents?|docs?|passages?|texts?|entry|candidates?|products?|options?|results?|articles?"
    r"|responses?|answers?|tools?|rev)(?:[\s_-]?id)?|id|index|idx|position|pos|place|rank|ranking|r|d|p)"
)
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_PLACE = re.compile(
    rf"""\W* (?:the\s+)?
    (?: {_NOUN}? [\s_#:.\-(\[]* (?:no\.?|nr\.?|number|num)? [\s_#:.\-(\[]* (?P<number>\d{{1,6}})
      | (?P<nth>\d{{1,6}})(?:st|nd|rd|th) (?:[\s_-]+{_NOUN})?
      | (?:{_NOUN}[\s_-]+)?(?P<word>{"|".join(_NUMBERS)})
      | (?P<ordinal>{"|".join(_ORDINALS)}) (?:[\s_-]+{_NOUN})?
    )
    (?:\s*(?:/|\bof\b)\s*\d{{1,6}})? \s*[)\].:]*\s* (?:[(\[,]?\s* id \s*[=:] .{{0,200}})?""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_DRESSED = re.compile(
    rf"""\W*(?:\d{{1,6}}\s*[:.)]\s*)?(?:{_NOUN}[\s_\#:=.\-]+)?(?:id\s*[=:]\s*)?
    (?P<id>.+?)(?:\s*[(\[,]\s*{_NOUN}[\s_\#]*\d{{1,6}})?[\s)\].,;]*""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_LONGEST = 300
"""No name of a place is longer, and a megabyte need not be matched."""


def position(name: str) -> int | None:
    """The place that a name refers to, as it counts; None for any other name."""
    found = _PLACE.fullmatch(name) if len(name) <= _LONGEST else None
    if found is None:
        return None
    if found["word"]:
        return _NUMBERS.index(found["word"].lower()) + 1
    if found["ordinal"]:
        return _ORDINALS.index(found["ordinal"].lower()) + 1
    return int(found["number"] or found["nth"])


def are_positions(names: Collection[str], size: int) -> bool:
    """Whether every name refers to one of `size` places, counted from 0 or from 1."""
    return all((place := position(name)) is not None and place <= size for name in names)


def holds_id(name: str, ids: Collection[str]) -> bool:
    """Whether a name is an input id within the prompt's words or within brackets: `id=A1`, `Review A1`, `[A1]`."""
    if len(name) > _LONGEST:
        return False
    found = _DRESSED.fullmatch(name)
    return (found is not None and found["id"] in ids) or name.strip(" \t\n[](){}<>\"'`*#") in ids


def stand_apart(names: Collection[str], ids: Collection[str]) -> bool:
    """Whether no name has the form of the ids: among ids such as `R17`, `R3` may as well be an invented one."""
    forms = set(map(_form, ids))
    return all(_form(name) not in forms for name in names)


def _form(name: str) -> str:
    return re.sub(r"[^\W\d_]+", "A", re.sub(r"\d+", "0", name))
