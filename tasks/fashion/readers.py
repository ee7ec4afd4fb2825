"""From the bytes of a source to reviews: JSON, Parquet or CSV, told apart by content, never by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from listeval import Table, UserError, open_table

from .forms import Form, Row, known_forms, recognise
from .review import Review
from .sources import Source


class Reading(NamedTuple):
    """What a source holds: reviews with text, in its order, and how many rows had none."""

    reviews: list[Review]
    without_text: int


def read(source: Source) -> Reading:
    """All reviews of a source. Raises UserError with the line for anything that cannot be read."""
    with open_table(source.file, _separator) as table:
        return _read(table)


def _read(table: Table) -> Reading:
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


def _form(table: Table) -> Form:
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


def _separator(header: str) -> str:
    """The sign between the fields of a known form; a comma where the form is unknown."""
    return next((sign for sign in ",\t;|" if recognise([field.strip(' "\r\n') for field in header.split(sign)])), ",")
