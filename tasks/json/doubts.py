"""What rows and their schemas say in vain, such as a mistyped keyword: gathered while rows are read, and said once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from listeval import JsonRow, notice, schema_doubts

from .readers import slips

_MOST = 5
"""So many lines are said."""


class Doubts:
    """Each doubt with the place of what it is first about; `said` holds those that were told before."""

    def __init__(self, said: set[str]) -> None:
        self._said = said
        self._places: dict[str, list[str]] = {}

    def note_row(self, row: JsonRow, place: str) -> None:
        """Whatever is doubtful in a row that was read."""
        for doubt in slips(row):
            self._places.setdefault(doubt, []).append(place)

    def note(self, schema: Mapping[str, Any], place: str) -> None:
        """Whatever is doubtful in a schema that can be used."""
        for doubt in schema_doubts(schema):
            self._places.setdefault(doubt, []).append(place)

    def tell(self) -> None:
        """A line each on stderr, the first few of them."""
        places = {doubt: _first(found) for doubt, found in self._places.items()}
        new = [doubt for doubt, place in places.items() if f"{doubt} {place}" not in self._said]
        self._said.update(f"{doubt} {places[doubt]}" for doubt in new)
        for doubt in new[:_MOST]:
            notice(doubt, place=places[doubt])
        if len(new) > _MOST:
            notice(f"{len(new) - _MOST} more such keys in the rows and their schemas")


def _first(places: Sequence[str]) -> str:
    return f"{places[0]} and {len(places) - 1} more" if len(places) > 1 else places[0]
