"""A run's rows as CSV or Parquet: the columns of `Run.frame`, one row a sample."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from listeval.disk import write_atomic
from listeval.runs.data_frames import arrow_table
from listeval.runs.row_columns import TypedColumn, as_json, table

if TYPE_CHECKING:
    from listeval.runs.store import Run


def write_csv(run: Run, out: Path) -> Sequence[Path]:
    """UTF-8 with a header (RFC 4180); what is missing is an empty cell, flags are parted by spaces.

    A text is written as the model wrote it: a spreadsheet may take one that begins with `=` for a formula.
    """
    columns = table([run])
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(
        zip(*(map(_cell, [held] * len(held.values), held.values) for held in columns.values()), strict=True)
    )
    write_atomic(out, text.getvalue().encode())
    return [out]


def write_parquet(run: Run, out: Path) -> Sequence[Path]:
    """Parquet with the same types whatever the rows hold. Raises UserError where pyarrow is not installed."""
    found = arrow_table(table([run]))
    from pyarrow import parquet

    data = BytesIO()
    parquet.write_table(found, data)
    write_atomic(out, data.getvalue())
    return [out]


def _cell(held: TypedColumn, value: Any) -> Any:
    if held.holds == "any":
        return as_json(value)
    return " ".join(value) if held.holds == "texts" else value
