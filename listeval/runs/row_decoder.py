"""Rows read back: decoded and checked in one pass, so that reports may rely on every field whoever damaged the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec

from listeval.contract.taxonomy import Kind
from listeval.errors import UserError
from listeval.runs.rows import Row, not_a_row, whole_blocks

_DECODER = msgspec.json.Decoder(Row)
_KINDS = frozenset(kind.value for kind in Kind)
_LATER = dict.fromkeys(("verdict", "masked", "bare", "attempts"))
"""Fields that rows written before them lack; they are read as null."""
_PLACE = re.compile(r"`\$\.(\w+)")
"""Where msgspec says that a value does not fit: its first step is the row's field."""


def numbered_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """The row of every whole line with the line's number, in the order of the file.

    Raises UserError for a line in the middle that is no row, with its number, and for a field that does not hold what
    a run writes there.
    """
    first = 1
    for block in whole_blocks(path):
        rows = _together(block) or [_alone(line, path, number) for number, line in enumerate(BytesIO(block), first)]
        for number, row in enumerate(rows, first):
            if damaged := _contradiction(row):
                raise _damaged(damaged, path, number)
            yield number, row
        first += len(rows)


def read_rows(path: Path) -> Iterator[Row]:
    """Rows in the order of the file, a later row of the same key replacing an earlier one. Raises as above."""
    return iter({row["key"]: row for _, row in numbered_rows(path)}.values())


def _together(block: bytes) -> list[Row]:
    """The rows of whole lines, decoded at once; none where a line is no row, or is one of before a field was added."""
    try:
        rows = _DECODER.decode_lines(block)
    except (ValueError, RecursionError):
        return []
    # The decoder also takes two rows of one line, and a row that is spread over several.
    return rows if len(rows) == block.count(b"\n") else []


def _alone(line: bytes, path: Path, number: int) -> Row:
    """The row of one line. Raises UserError that says what is wrong with it."""
    try:
        return _decoded(line)
    except msgspec.ValidationError as error:
        place = _PLACE.search(str(error))
        raise (not_a_row(path, number) if place is None else _damaged(place[1], path, number)) from None
    except (ValueError, RecursionError):
        raise not_a_row(path, number) from None


def _damaged(name: str, path: Path, number: int) -> UserError:
    fix = "restore that line or delete it, then run again"
    return UserError(f"a row's '{name}' is damaged", place=f"{path}:{number}", fix=fix)


def _decoded(line: bytes) -> Row:
    """The row of a line. Raises msgspec.ValidationError for a field that cannot be, ValueError for what is not JSON."""
    try:
        return _DECODER.decode(line)
    except msgspec.ValidationError:
        found: Any = msgspec.json.decode(line)
        if not isinstance(found, dict) or found.keys() >= _LATER.keys():
            raise
        # After the others: a row is found again by how its line begins.
        return msgspec.convert(found | {name: None for name in _LATER if name not in found}, Row)


def _contradiction(row: Row) -> str:
    """The first field that is of its type and yet not what a run writes there; empty where there is none."""
    if row["kind"] not in _KINDS:
        return "kind"
    span, attempts = row["span"], row["attempts"]
    if span is not None and span[0] > span[1]:
        return "span"
    if attempts and any(one["attempt"] != at or one["kind"] not in _KINDS for at, one in enumerate(attempts, 1)):
        return "attempts"
    return ""
