"""Rows read back: decoded and checked in one pass, so that reports may rely on every field whoever damaged the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import msgspec

from listeval.errors import UserError
from listeval.runs.rows import Row, not_a_row, whole_blocks
from listeval.runs.stored_row import DamagedRow, JudgedRow, StoredRow

Shape = TypeVar("Shape", bound=JudgedRow)
"""As much of a row as is read."""
_PLACE = re.compile(r"`\$\.(\w+)")
"""Where msgspec says that a value does not fit: its first step is the row's field."""


def numbered_rows(path: Path, shape: type[Shape]) -> Iterator[tuple[int, Shape]]:
    """The row of every whole line with the line's number, in the order of the file.

    Raises UserError for a line in the middle that is no row, with its number, and for a field that does not hold what
    a run writes there.
    """
    decoder, first = _decoder(shape), 1
    for block in whole_blocks(path):
        rows = _together(block, decoder)
        if rows is None:
            rows = [_alone(line, decoder, path, number) for number, line in enumerate(BytesIO(block), first)]
        for number, row in enumerate(rows, first):
            if damaged := row.contradiction():
                raise _damaged(damaged, path, number)
            yield number, row
        first += len(rows)


def read_rows(path: Path) -> Iterator[Row]:
    """Rows in the order of the file, a later row of the same key replacing an earlier one. Raises as above."""
    latest = {row.key: (number, row) for number, row in numbered_rows(path, StoredRow)}
    return (_whole(row, path, number) for number, row in latest.values())


def _whole(row: StoredRow, path: Path, number: int) -> Row:
    try:
        return row.row()
    except DamagedRow as error:
        error.stands(f"{path}:{number}")
        raise


@cache
def _decoder(shape: type[Shape]) -> msgspec.json.Decoder[Shape]:
    return msgspec.json.Decoder(shape)


def _together(block: bytes, decoder: msgspec.json.Decoder[Shape]) -> list[Shape] | None:
    """The rows of whole lines, decoded at once; None where a line is no row."""
    try:
        rows = decoder.decode_lines(block)
    except (ValueError, RecursionError):
        return None
    # The decoder also takes two rows of one line, and a row that is spread over several.
    return rows if len(rows) == block.count(b"\n") else None


def _alone(line: bytes, decoder: msgspec.json.Decoder[Shape], path: Path, number: int) -> Shape:
    """The row of one line. Raises UserError that says what is wrong with it."""
    try:
        return decoder.decode(line)
    except msgspec.ValidationError as error:
        place = _PLACE.search(str(error))
        raise (not_a_row(path, number) if place is None else _damaged(place[1], path, number)) from None
    except (ValueError, RecursionError):
        raise not_a_row(path, number) from None


def _damaged(name: str, path: Path, number: int) -> UserError:
    fix = "restore that line or delete it, then run again"
    return UserError(f"a row's '{name}' is damaged", place=f"{path}:{number}", fix=fix)
