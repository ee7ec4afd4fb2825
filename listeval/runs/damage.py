"""Where a damaged row stands: its texts are read long after its file was, by who has the row alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from listeval.runs.row_decoder import numbered_rows
from listeval.runs.stored_row import DamagedRow, StoredRow


@contextmanager
def located(runs: Iterable[Path]) -> Iterator[None]:
    """A row of one of these runs that turns out damaged within is told with its file and line."""
    try:
        yield
    except DamagedRow as error:
        if not error.known and (place := next(_places(error.row, runs), "")):
            error.stands(place)
        raise


def _places(row: StoredRow, runs: Iterable[Path]) -> Iterator[str]:
    for path in runs:
        file = path / "samples.jsonl"
        yield from (f"{file}:{number}" for number, found in numbered_rows(file, StoredRow) if found == row)
