"""Tables that a task keeps beside a run (CSV files of its appendix), on a page: one run's whole, several side by side.

Side by side only what has the columns `expected` and `right` can stand, such as the fields of the task `json`: how much
of what was expected is right, a row for each name in the first column.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from listeval.contract import Kind
from listeval.disk import read_regular
from listeval.report.comparison.tables import FigureTable
from listeval.runs.figures.as_text import share

if TYPE_CHECKING:
    from listeval.runs import Run

_MOST = 300
"""Rows that a page has room for; the file has them all."""
_COUNTS = {"expected", "right"}
_KINDS = {kind.value for kind in Kind}
_OWN_SAMPLES = "Right answers of the expected ones, each run over its own samples that kept their contract."


def csv_tables(runs: Sequence[Run], marks: Sequence[str]) -> list[FigureTable]:
    """The tables of one run, or those of several under their `marks`; a file that is no table is passed over."""
    found = [_files(run) for run in runs]
    names = list(dict.fromkeys(name for files in found for name in files))
    tables = [
        _whole(name, found[0][name]) if len(runs) == 1 else _beside(name, [files.get(name) for files in found], marks)
        for name in names
    ]
    return [table for table in tables if table is not None]


def _files(run: Run) -> dict[str, list[list[str]]]:
    """Rows of each CSV file of a run, the header first."""
    found = {}
    for path in sorted(run.path.glob("*.csv")):
        with suppress(OSError, ValueError, csv.Error):
            rows = list(csv.reader(io.StringIO(read_regular(path).decode())))
            if len(rows) > 1 and len({len(row) for row in rows}) == 1:
                found[path.name] = rows
    return found


def _whole(name: str, rows: Sequence[Sequence[str]]) -> FigureTable:
    header, *rest = rows
    return FigureTable(name, header, rest[:_MOST], " ".join([_counted(header), _left_out(name, len(rest))]).strip())


def _counted(header: Sequence[str]) -> str:
    """Which answers the counts are over; empty where the columns are others."""
    if not set(header) >= _COUNTS:
        return ""
    kinds = ", ".join(name for name in header if name in _KINDS)
    broken = f"; {kinds}: of those that broke it and are JSON" if kinds else ""
    return f"Of the labelled answers that kept their contract{broken}."


def _beside(name: str, files: Sequence[list[list[str]] | None], marks: Sequence[str]) -> FigureTable | None:
    told = [{} if rows is None else _right_rates(rows) for rows in files]
    keys = list(dict.fromkeys(key for own in told for key in own))
    if not keys:
        return None
    rows = [[key, *(own.get(key, "") for own in told)] for key in keys[:_MOST]]
    first = next(rows for rows in files if rows is not None)[0][0]
    return FigureTable(name, [first, *marks], rows, " ".join([_OWN_SAMPLES, _left_out(name, len(keys))]).strip())


def _right_rates(rows: Sequence[Sequence[str]]) -> dict[str, str]:
    """`95.0 % (19 of 20)` by name, as far as the rows have counts; empty for another kind of table."""
    header = list(rows[0])
    if not set(header) >= _COUNTS:
        return {}
    expected, right = header.index("expected"), header.index("right")
    found = {}
    with suppress(ValueError):
        for row in rows[1:]:
            n, of = int(row[right]), int(row[expected])
            found[row[0]] = f"{share(n, of)} ({n:,} of {of:,})"
    return found


def _left_out(name: str, rows: int) -> str:
    return f"The first {_MOST} of {rows:,} rows; {name} beside the run has them all." if rows > _MOST else ""
