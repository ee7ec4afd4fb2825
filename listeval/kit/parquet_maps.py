"""Rows of a Parquet file that has maps, which `datasets` has no type for: each becomes an object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class ParquetMap(dict[Any, Any]):
    """A map: unlike a struct it has no keys but its own, and a null in it was written."""

    repeated: Any = None
    """A key that stands twice in the column; the last value is kept."""

    def fault(self) -> str:
        """What keeps it from being a JSON object; empty where nothing does."""
        if self.repeated is not None:
            return f"holds a map in which the key {self.repeated!r} stands twice"
        strange = next((key for key in self if not isinstance(key, str)), None)
        return "" if strange is None else f"holds a map with the key {strange!r}, which is no text"


def has_map(file: Path) -> bool:
    """Whether a column, or a part of one, is a map."""
    from pyarrow import parquet

    return any(_holds_map(field.type) for field in parquet.read_schema(file))


def map_rows(file: Path, batch: int) -> Iterator[dict[str, Any]]:
    """Every row, so many at a time."""
    from pyarrow import parquet

    with parquet.ParquetFile(file) as opened:
        types = {field.name: field.type for field in opened.schema_arrow}
        for found in opened.iter_batches(batch_size=batch):
            for row in found.to_pylist():
                yield {name: _read(value, types[name]) for name, value in row.items()}


def _holds_map(kind: Any) -> bool:
    from pyarrow import types

    return types.is_map(kind) or any(_holds_map(kind.field(at).type) for at in range(kind.num_fields))


def _read(value: Any, kind: Any) -> Any:
    """A value as `to_pylist` gives it, with every map, there a list of pairs, as an object."""
    from pyarrow import types

    if value is None or not _holds_map(kind):
        return value
    if types.is_struct(kind):
        return {part.name: _read(value[part.name], part.type) for part in kind}
    if not types.is_map(kind):
        return [_read(part, kind.value_type) for part in value]
    found = ParquetMap((key, _read(part, kind.item_type)) for key, part in value)
    if len(found) < len(value):
        found.repeated = next(key for key, many in Counter(key for key, _ in value).items() if many > 1)
    return found
