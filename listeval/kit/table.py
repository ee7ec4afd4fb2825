"""Rows of a file that may also be a table in text: what `listeval.kit.files` reads, or CSV, told apart by content."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import NamedTuple

from listeval.errors import UserError
from listeval.kit.files import BOM, DataFile, JsonRow, is_json_or_parquet, not_utf8, opening, rows_from


class Table(NamedTuple):
    """Rows with their places; `fields` are the CSV header's or the first object's, at `place`."""

    fields: list[str]
    place: str
    rows: Iterator[tuple[str, JsonRow]]


@contextmanager
def open_table(file: DataFile, separator: Callable[[str], str] = lambda header: ",") -> Iterator[Table]:
    """The file as a table; JSON, Parquet or CSV, as the first line that is not blank says.

    `separator` tells the sign between a CSV file's fields from its header line. All its cells are text, and an empty
    one is an absent field. Raises UserError, with the line, for what cannot be read, here and while rows are read:
    for more cells than the header has, a quote that nothing closes, and a file that ends within a row, too.
    """
    with file.open() as stream:
        line, first = opening(stream, file.name)
        if is_json_or_parquet(first):
            rows = rows_from(line, first, stream, file.name)
            place, row = next(rows)
            yield Table([str(field) for field in row], place, chain([(place, row)], rows))
        else:
            sign = separator(first.decode("utf-8", "replace"))
            yield _csv_table(_csv_rows(enumerate(chain([first], stream), line), sign, file.name), file.name)


def _csv_table(rows: Iterator[tuple[int, list[str]]], name: str) -> Table:
    line, header = next(rows)
    header = [field.strip() for field in header]
    return Table(header, f"{name}:{line}", ((f"{name}:{row}", _named(header, cells)) for row, cells in rows if cells))


def _named(header: list[str], cells: list[str]) -> JsonRow:
    return {field: cell for field, cell in zip(header, cells, strict=False) if cell}


def _csv_rows(lines: Iterator[tuple[int, bytes]], separator: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """The last line of each row, and its cells, no more than the first row has."""
    at, began, last, width = 0, 0, b"", 0

    def text() -> Iterator[str]:
        nonlocal at, last
        for at, last in lines:  # noqa: B007 - the closure reads `at` for messages
            yield last.removeprefix(BOM).decode()

    try:
        for cells in csv.reader(text(), delimiter=separator, strict=True):
            width = width or len(cells)
            if any(cells[width:]):
                cause = f"a row of {len(cells)} cells under a header of {width}"
                raise UserError(cause, place=f"{name}:{at}", fix="quote the cells that hold the separator")
            if 0 < len(cells) < width and not last.endswith((b"\n", b"\r")):
                cause = f"the file ends within a row, after {len(cells)} of its {width} cells"
                raise UserError(cause, place=f"{name}:{at}", fix="fetch the file again")
            began = at
            yield at, cells
    except UnicodeDecodeError as error:
        raise not_utf8(error, f"{name}:{at}") from None
    except csv.Error as error:
        # A quote that nothing closes takes in all lines after it.
        cause, fix = f"not CSV: {error}", "quote the cells that hold quotes or line ends, and close each quote"
        raise UserError(cause, place=f"{name}:{began + 1}", fix=fix) from None
