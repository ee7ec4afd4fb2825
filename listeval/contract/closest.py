"""Which option of a union speaks for a value that none admits: one rule for JSON Schema's and for pydantic's.

An option that takes the value's own type comes before one that does not; then one whose constants the value has: a key
that another option takes as it stands says which one is meant (`"kind": "goods"`). Of those the fewest faults decide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
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


def closest(options: Sequence[Sequence[Misfit]], names: Callable[[int, str | int], bool]) -> int | None:
    """The number of the option that the value comes closest to; None where none takes the value itself.

    `options` are the faults of each, at least one; `names` says whether the option of a number knows the key.
    """

    def far(number: int) -> tuple[int, int, int, int]:
        own = max((fault.sort for fault in options[number] if fault.own), default=Sort.OTHER)
        told = [fault.sort for fault in options[number] if _tells(fault, options, names)]
        return own, told.count(Sort.CONSTANT), told.count(Sort.CHOICE), len(options[number])

    best = min(range(len(options)), key=far)
    return None if any(fault.own for fault in options[best]) else best


def _tells(misfit: Misfit, options: Sequence[Sequence[Misfit]], names: Callable[[int, str | int], bool]) -> bool:
    """Whether a constant is missed at a key where an option that knows it finds nothing wrong."""
    if len(misfit.place) != 1 or misfit.sort not in (Sort.CHOICE, Sort.CONSTANT):
        return False
    return any(
        names(number, misfit.place[0]) and not any(fault.own or fault.place[:1] == misfit.place for fault in faults)
        for number, faults in enumerate(options)
    )
