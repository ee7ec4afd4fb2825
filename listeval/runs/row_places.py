"""What can be told of a row whose run lost its ledger: the data have one place a row, and so many were asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from listeval.runs.entries import DataEntry
from listeval.runs.stored_row import JudgedRow

_SECOND = "a second row of its place in the data"
_BEYOND = "one more than the samples of its seed that this run asked for"


class RowPlaces:
    """Gives each sample the place that its row names, in the order of the file, until none is left."""

    def __init__(self, data: Mapping[str, DataEntry]) -> None:
        """`data` are the manifest's, by seed."""
        self._data = data
        self._taken: dict[tuple[int, int], str] = {}
        self._counts: Counter[int] = Counter()

    def none_for(self, row: JudgedRow) -> str:
        """Why there is no place for `row`; empty where it has one now."""
        place, entry = (row.seed, row.index), self._data.get(str(row.seed))
        if place in self._taken:
            return "" if self._taken[place] == row.key else _SECOND
        if entry is None or (entry.asked is not None and self._counts[row.seed] >= entry.asked):
            return _BEYOND
        self._taken[place] = row.key
        self._counts[row.seed] += 1
        return ""
