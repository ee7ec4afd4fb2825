"""From the bytes of a source to reviews: what `listeval.kit.files` reads, or CSV, told apart by content, never by name."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO, NamedTuple

from listeval.errors import UserError
from listeval.kit.files import BOM, is_json_or_parquet, not_utf8, opening, rows_from

from .forms import Form, Row, known_forms, recognise
from .review import Review
from .sources import Source


class Reading(NamedTuple):
    """What a source holds: reviews with text, in its order, and how many rows had none."""

    reviews: list[Review]
    without_text: int


class _Table(NamedTuple):
    """Rows with their places; `fields` are the CSV header's or the first object's, at `place`."""

    fields: list[str]
    place: str
    rows: Iterator[tuple[str, Row]]


def read(source: Source) -> Reading:
    """All reviews of a source. Raises UserError with the line for anything that cannot be read."""
    with source.file.open() as stream:
        return _read(stream, source.file.name)


def _read(stream: IO[bytes], name: str) -> Reading:
    table = _table(stream, name)
    form = _form(table)
    reviews: list[Review] = []
    without_text = 0
    for number, (place, row) in enumerate(table.rows, 1):
        for review in _reviews(form, row, number, place):
            if review.text:
                reviews.append(review)
            else:
                without_text += 1
    return Reading(reviews, without_text)


def _form(table: _Table) -> Form:
    form = recognise(table.fields)
    if form is None:
        found = ", ".join(table.fields[:12]) or "none"
        raise UserError(f"unknown fields: {found}", place=table.place, fix=f"known forms are {known_forms()}")
    return form


def _reviews(form: Form, row: Row, number: int, place: str) -> Iterable[Review]:
    try:
        return tuple(form.read(row, number))
    except KeyError as error:
        cause, fix = f"the field {error} is missing", f"every row of the form '{form.name}' needs it"
    except (ValueError, TypeError, OverflowError) as error:
        cause, fix = f"not a row of the form '{form.name}': {error}", "correct or remove the row"
    raise UserError(cause, place=place, fix=fix)


def _table(stream: IO[bytes], name: str) -> _Table:
    """JSON, Parquet or CSV, as the first line that is not blank says."""
    line, first = opening(stream, name)
    if not is_json_or_parquet(first):
        return _csv_table(line, first, stream, name)
    rows = rows_from(line, first, stream, name)
    place, row = next(rows)
    return _Table([str(field) for field in row], place, chain([(place, row)], rows))


def _csv_table(line: int, first: bytes, stream: IO[bytes], name: str) -> _Table:
    rows = _csv_rows(enumerate(chain([first], stream), line), _separator(first), name)
    at, header = next(rows)
    header = [field.strip() for field in header]
    return _Table(header, f"{name}:{at}", ((f"{name}:{row}", _named(header, cells)) for row, cells in rows if cells))


def _separator(header: bytes) -> str:
    """The sign between the fields of a known form; a comma where the form is unknown."""
    text = header.decode("utf-8", "replace")
    return next((sign for sign in ",\t;|" if recognise([field.strip(' "\r\n') for field in text.split(sign)])), ",")


def _named(header: list[str], cells: list[str]) -> Row:
    """An empty cell is an absent field, as in JSON lines."""
    return {field: cell for field, cell in zip(header, cells, strict=False) if cell}


def _csv_rows(lines: Iterator[tuple[int, bytes]], separator: str, name: str) -> Iterator[tuple[int, list[str]]]:
    at = 0

    def text() -> Iterator[str]:
        nonlocal at
        for at, raw in lines:  # noqa: B007 - the closure reads `at` for messages
            yield raw.removeprefix(BOM).decode()

    try:
        for cells in csv.reader(text(), delimiter=separator):
            yield at, cells
    except UnicodeDecodeError as error:
        raise not_utf8(error, f"{name}:{at}") from None
    except csv.Error as error:
        cause = f"not CSV: {error}"
        raise UserError(cause, place=f"{name}:{at}", fix="quote the fields that hold quotes or line ends") from None
