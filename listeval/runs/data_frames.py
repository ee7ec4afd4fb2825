"""Runs as a pandas DataFrame, a pyarrow Table or a Hugging Face Dataset; each package is imported by its call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from listeval.errors import UserError
from listeval.runs.row_columns import TypedColumn, as_json, table

if TYPE_CHECKING:
    import pandas
    import pyarrow
    from datasets import Dataset

    from listeval.runs.store import Run

INSTALL = "pip install 'listeval[frames]'"


def data_frame(columns: Mapping[str, TypedColumn]) -> pandas.DataFrame:
    """Columns as a DataFrame: numbers are float64, a truth that may be unknown is pandas' `boolean`.

    Counts are int64, where one is unknown pandas' `Int64`.
    """
    try:
        import pandas
    except ImportError:
        raise UserError.missing_package("pandas", INSTALL, "a frame") from None
    kinds: dict[str, Any] = {
        "number": "float64",
        "integer": "int64",
        "truth": "boolean",
        "texts": object,
        "any": object,
    }
    unknown = {name for name, held in columns.items() if held.holds == "integer" and None in held.values}
    found = {
        name: pandas.Series(held.values, dtype="Int64" if name in unknown else kinds.get(held.holds))
        for name, held in columns.items()
    }
    texts = [name for name, held in columns.items() if held.holds == "text" and not held.values]
    return pandas.DataFrame(found).astype(dict.fromkeys(texts, "str"))


def arrow_table(columns: Mapping[str, TypedColumn]) -> pyarrow.Table:
    """Columns as an Arrow table of one schema whatever the rows hold; values of any shape are JSON text."""
    try:
        import pyarrow
    except ImportError:
        raise UserError.missing_package("pyarrow", INSTALL, "an Arrow table") from None
    types = {
        "text": pyarrow.string(),
        "any": pyarrow.string(),
        "integer": pyarrow.int64(),
        "number": pyarrow.float64(),
        "truth": pyarrow.bool_(),
        "texts": pyarrow.list_(pyarrow.string()),
    }
    return pyarrow.table({name: pyarrow.array(_plain(held), types[held.holds]) for name, held in columns.items()})


def dataset(run: Run) -> Dataset:
    """The run's rows as a Dataset of the library `datasets`. Raises UserError where that is not installed."""
    try:
        from datasets import Dataset
    except ImportError:
        raise UserError.missing_package("datasets", "pip install 'listeval[hub]'", "a data set") from None
    return Dataset(arrow_table(table([run])))


def _plain(held: TypedColumn) -> list[Any]:
    return list(map(as_json, held.values)) if held.holds == "any" else held.values
