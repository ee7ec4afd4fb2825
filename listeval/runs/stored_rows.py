"""The rows of a run as they are on disk: those that this run made, and the strays that it did not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Generic, NamedTuple

from listeval.runs.collector import collector_paused
from listeval.runs.ledger import is_lost, mark, read_ledger
from listeval.runs.manifest import Manifest
from listeval.runs.reask import SampleAttempt
from listeval.runs.row_decoder import Shape, numbered_rows
from listeval.runs.row_places import RowPlaces
from listeval.runs.rows import whole_lines
from listeval.runs.stored_row import JudgedRow

_FOREIGN = "its key, example and seed are of no sample that this run asked for"
_SECOND = "a second row of its sample"


class StrayRow(NamedTuple):
    """A whole row that no figure counts: its line's `number` from 1 and bytes, and why."""

    number: int
    line: bytes
    why: str


class StoredRows(NamedTuple, Generic[Shape]):
    """The latest row of every sample by key, in the order of the file, and what else stands there."""

    rows: dict[str, Shape]
    strays: list[StrayRow]


@collector_paused()
def read_stored(directory: Path, manifest: Manifest, shape: type[Shape]) -> StoredRows[Shape]:
    """The rows of the run of `manifest`; as `JudgedRow`, without texts, they take a tenth of the memory.

    A row of an owed sample (an engine's error, a refused prompt) gives way to a later one. Any other second row of a
    sample is a stray, and so is a row that the run's ledger does not have; where that is lost, one that has no place in
    its data. Raises UserError for a line that is no row, with its number, and for a field of `shape` that does not hold
    what a run writes there.
    """
    path, known = directory / "samples.jsonl", read_ledger(directory)
    places = RowPlaces(manifest.data) if is_lost(directory, manifest) else None
    rows: dict[str, Shape] = {}
    owed: set[str] = set()
    samples: dict[tuple[str, int], str] = {}
    strays: dict[int, str] = {}
    for number, row in numbered_rows(path, shape):
        key, example, seed = row.key, row.example, row.seed
        if known is not None and mark(manifest.created, key, example, seed) not in known:
            strays[number] = _FOREIGN
        elif (key in rows and key not in owed) or samples.setdefault((example, seed), key) != key:
            strays[number] = _SECOND
        elif places is not None and (why := places.none_for(row)):
            strays[number] = why
        else:
            rows[key] = row
            (owed.add if row.owed else owed.discard)(key)
    # Few runs have strays, and none is worth every line's bytes.
    lines = whole_lines(path) if strays else ()
    return StoredRows(rows, [StrayRow(number, line, strays[number]) for number, line in lines if number in strays])


def tried_before(directory: Path, manifest: Manifest) -> dict[str, Sequence[SampleAttempt]]:
    """What this run tried for each of its samples that is owed a further attempt, by key. Raises as `read_stored`."""
    rows = read_stored(directory, manifest, JudgedRow).rows
    return {key: row.attempts for key, row in rows.items() if row.outcome == "error" and row.attempts}
