"""From the bytes of a source to reviews: JSON lines or CSV, told apart by content and never by name."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO, NamedTuple

from listeval.data import BOM, empty, json_object, not_utf8
from listeval.errors import UserError

from .forms import Form, Row, known_forms, recognise
from .review import Review
from .sources import Source


class Reading(NamedTuple):
    """What a source holds: reviews with text, in its order, and how many rows had none."""

    reviews: list[Review]
    without_text: int


class _Table(NamedTuple):
    """Rows with the line that each ends on; `fields` are the CSV header's or the first object's."""

    fields: list[str]
    line: int
    rows: Iterator[tuple[int, Row]]


def read(source: Source) -> Reading:
    """All reviews of a source. Raises UserError with the line for anything that cannot be read."""
    with source.file.open() as stream:
        return _read(stream, source.file.name)


def _read(stream: IO[bytes], name: str) -> Reading:
    table = _table(stream, name)
    form = _form(table, name)
    reviews: list[Review] = []
    without_text = 0
    for number, (line, row) in enumerate(table.rows, 1):
        for review in _reviews(form, row, number, f"{name}:{line}"):
            if review.text:
                reviews.append(review)
            else:
                without_text += 1
    return Reading(reviews, without_text)


def _form(table: _Table, name: str) -> Form:
    form = recognise(table.fields)
    if form is None:
        found = ", ".join(table.fields[:12]) or "none"
        place = f"{name}:{table.line}"
        raise UserError(f"unknown fields: {found}", place=place, fix=f"known forms are {known_forms()}")
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
    """JSON lines or CSV, as the first character that is not blank says."""
    for skipped, raw in enumerate(stream):
        first = raw.removeprefix(BOM)
        if first.strip():
            lines = enumerate(chain([first], stream), skipped + 1)
            return _json_table(lines, name) if first.lstrip()[:1] in b"{[" else _csv_table(lines, name)
    raise empty(name)


def _json_table(lines: Iterator[tuple[int, bytes]], name: str) -> _Table:
    rows = ((line, json_object(raw, name, line)) for line, raw in lines if raw.strip())
    line, first = next(rows)
    return _Table([str(field) for field in first], line, chain([(line, first)], rows))


def _csv_table(lines: Iterator[tuple[int, bytes]], name: str) -> _Table:
    rows = _csv_rows(lines, name)
    line, header = next(rows)
    return _Table(header, line, ((at, _named(header, cells)) for at, cells in rows if cells))


def _named(header: list[str], cells: list[str]) -> Row:
    """An empty cell is an absent field, as in JSON lines."""
    return {field: cell for field, cell in zip(header, cells, strict=False) if cell}


def _csv_rows(lines: Iterator[tuple[int, bytes]], name: str) -> Iterator[tuple[int, list[str]]]:
    at = 0

    def text() -> Iterator[str]:
        nonlocal at
        for at, raw in lines:  # noqa: B007 - the closure reads `at` for messages
            yield raw.decode()

    try:
        for cells in csv.reader(text()):
            yield at, cells
    except UnicodeDecodeError as error:
        raise not_utf8(error, f"{name}:{at}") from None
    except csv.Error as error:
        cause = f"not CSV: {error}"
        raise UserError(cause, place=f"{name}:{at}", fix="quote the fields that hold quotes or line ends") from None
