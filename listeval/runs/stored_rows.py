"""The rows of a run as they are on disk: those that this run made, and the strays that it did not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from listeval.runs.collector import collector_paused
from listeval.runs.ledger import mark, read_ledger
from listeval.runs.reask import SampleAttempt
from listeval.runs.row_decoder import numbered_rows
from listeval.runs.rows import JudgedRow, Row, judged, row_head, whole_lines

_FOREIGN = "its key, example and seed are of no sample that this run asked for"
_SECOND = "a second row of its sample"


class StrayRow(NamedTuple):
    """A whole row that no figure counts: its line's `number` from 1 and bytes, and why."""

    number: int
    line: bytes
    why: str


Kept = TypeVar("Kept", bound=JudgedRow)


class StoredRows(NamedTuple, Generic[Kept]):
    """The latest row of every sample by key, in the order of the file, and what else stands there."""

    rows: dict[str, Kept]
    strays: list[StrayRow]


def read_stored(directory: Path, created: str) -> StoredRows[Row]:
    """The rows of the run that was `created` then.

    A row of an owed sample (an engine's error, a refused prompt) gives way to a later one. Any other second row of a
    sample is a stray, and so is a row that the run's ledger does not have. Raises UserError for a line that is no row,
    with its number, and for a field that does not hold what a run writes there.
    """
    return _read(directory, created, lambda row: row)


def read_judged(directory: Path, created: str) -> StoredRows[JudgedRow]:
    """As `read_stored`, each row without its texts: a tenth of the memory. Raises as it does."""
    return _read(directory, created, judged)


@collector_paused()
def _read(directory: Path, created: str, keep: Callable[[Row], Kept]) -> StoredRows[Kept]:
    path, known = directory / "samples.jsonl", read_ledger(directory)
    rows: dict[str, Kept] = {}
    owed: set[str] = set()
    samples: dict[tuple[str, int], str] = {}
    strays: dict[int, str] = {}
    for number, row in numbered_rows(path):
        key, example, seed, again = row_head(row)
        if known is not None and mark(created, key, example, seed) not in known:
            strays[number] = _FOREIGN
        elif (key in rows and key not in owed) or samples.setdefault((example, seed), key) != key:
            strays[number] = _SECOND
        else:
            rows[key] = keep(row)
            (owed.add if again else owed.discard)(key)
    # Few runs have strays, and none is worth every line's bytes.
    lines = whole_lines(path) if strays else ()
    return StoredRows(rows, [StrayRow(number, line, strays[number]) for number, line in lines if number in strays])


def tried_before(directory: Path, created: str) -> dict[str, Sequence[SampleAttempt]]:
    """What this run tried for each of its samples that is owed a further attempt, by key. Raises as `read_stored`."""
    rows = read_stored(directory, created).rows
    return {key: row["attempts"] for key, row in rows.items() if row["outcome"] == "error" and row["attempts"]}
