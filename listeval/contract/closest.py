"""Which option of a union speaks for a value that none admits: one rule for JSON Schema's and for pydantic's.

An option that takes the value's own type comes before one that does not; then one whose constants the value has: a key,
at any depth, that another option takes as it stands says which one is meant (`"kind": "goods"`). Of those the fewest
faults decide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import cache
from typing import NamedTuple

Path = tuple[str | int, ...]


class Sort(IntEnum):
    """What a fault says of the value at its place."""

    OTHER = 0
    CHOICE = 1
    """It is none of several constants."""
    CONSTANT = 2
    """It is not the one constant."""
    TYPE = 3
    """It has another type."""


class Misfit(NamedTuple):
    """A fault of an option: its place below the value, none for the value itself."""

    place: Path
    sort: Sort

    @property
    def own(self) -> bool:
        """Whether the option does not take the value itself, whatever is in it."""
        return not self.place and self.sort is not Sort.OTHER


def closest(options: Sequence[Sequence[Misfit]], names: Callable[[int, Path], bool]) -> int | None:
    """The number of the option that the value comes closest to; None where none takes the value itself.

    `options` are the faults of each, at least one; `names` says whether the option of a number knows the place.
    """
    wrong = [_Wrong(faults) for faults in options]

    @cache
    def fits_another(place: Path) -> bool:
        return any(faults.spare(place) and names(number, place) for number, faults in enumerate(wrong))

    def far(number: int) -> tuple[int, int, int, int]:
        faults = options[number]
        own = max((fault.sort for fault in faults if fault.own), default=Sort.OTHER)
        told = [
            fault.sort
            for fault in faults
            if fault.sort in (Sort.CHOICE, Sort.CONSTANT) and fault.place and fits_another(fault.place)
        ]
        return own, told.count(Sort.CONSTANT), told.count(Sort.CHOICE), len(faults)

    best = min(range(len(options)), key=far)
    return None if any(fault.own for fault in options[best]) else best


class _Wrong:
    """Where an option finds fault."""

    def __init__(self, faults: Sequence[Misfit]) -> None:
        self._own = any(fault.own for fault in faults)
        self._at = {fault.place for fault in faults if fault.place}
        self._above = {place[:end] for place in self._at for end in range(1, len(place))}

    def spare(self, place: Path) -> bool:
        """Whether nothing is wrong at the place, in what is there, or with what holds it."""
        around = (place[:end] for end in range(1, len(place) + 1))
        return not self._own and place not in self._above and not any(part in self._at for part in around)
