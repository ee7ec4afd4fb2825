"""Rows of a Parquet file through `datasets`: some rows at a time, nothing converted or kept on disk.

Where it has maps, which `datasets` knows nothing of, `parquet_maps` reads it.
"""

from __future__ import annotations

import glob
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from listeval.errors import UserError, first_line
from listeval.kit.parquet_maps import ParquetMap, has_map, map_rows

MAGIC = b"PAR1"
"""What a Parquet file begins with."""

_BATCH = 1000
"""Rows held at a time. `datasets` would take a row group's size, and stumbles where that is 0."""


class ParquetRow(dict[str, Any]):
    """A row whose values have the types of their columns, some of which JSON has not.

    A struct has every field that any row's has, null where the row that was written had none.
    """


def why_no_json(value: Any) -> str:
    """What a value of a Parquet row has that no JSON says, or leaves open; empty where it is one JSON value."""
    left = [value]
    while left:
        node = left.pop()
        if isinstance(node, ParquetMap):
            if fault := node.fault():
                return fault
            left += node.values()
        elif isinstance(node, dict):
            unclear = next((key for key, part in node.items() if part is None), None)
            if unclear is not None:
                return f"is a Parquet struct without '{unclear}', which may be null or absent"
            left += node.values()
        elif isinstance(node, list):
            left += node
        elif node is not None and not isinstance(node, str | int | float):
            return f"holds a value of the type {type(node).__name__}, which JSON has not"
    return ""


def parquet_rows(first: bytes, rest: IO[bytes], name: str) -> Iterator[ParquetRow]:
    """Every row of the file `name`, from its `first` bytes and the stream after them.

    Raises UserError without the package, and for what is no Parquet or holds what Python has no value for.
    """
    try:
        from datasets import load_dataset
        from pyarrow import ArrowException
    except ImportError:
        raise UserError.missing_package("datasets", "pip install 'listeval[hub]'", "reading Parquet") from None
    # It makes a folder for what it might convert, and the user's own may be read-only.
    with TemporaryDirectory(prefix="listeval-") as folder, _untold():
        # `datasets` takes a name for a pattern, and for addresses joined by `::`.
        here = _on_disk(first, rest, Path(folder))
        file = glob.escape(str(here))
        try:
            if has_map(here):
                yield from map(ParquetRow, map_rows(here, _BATCH))
                return
            found = load_dataset(
                "parquet", data_files=[file], split="train", streaming=True, cache_dir=folder, batch_size=_BATCH
            )
            yield from map(ParquetRow, found)
        except (ArrowException, OSError) as error:
            cause = f"not Parquet: {first_line(error)}"
            raise UserError(cause, place=name, fix="fetch the file again") from None
        except (ValueError, OverflowError) as error:
            # Of values that Python does not have: text that is no UTF-8, days beyond its calendar.
            cause = f"Parquet that holds what cannot be read: {first_line(error)}"
            raise UserError(cause, place=name, fix="write that column as text, or leave it out") from None


def _on_disk(first: bytes, rest: IO[bytes], folder: Path) -> Path:
    """The bytes as a file in `folder`, under a name of ours: a link to theirs, or a copy of what was packed.

    Parquet is read from its end.
    """
    here = folder / "rows.parquet"
    raw = getattr(rest, "raw", None)
    if isinstance(raw, io.FileIO) and isinstance(raw.name, str):
        here.symlink_to(Path(raw.name).absolute())
        return here
    with here.open("wb") as out:
        out.write(first)
        shutil.copyfileobj(rest, out)
    return here


@contextmanager
def _untold() -> Iterator[None]:
    """Neither on stderr, where `datasets` logs what it also raises, nor at its makers' servers, which count loads.

    They count local files, too; without a network each asks for its address for seconds.
    """
    from datasets import config
    from datasets.utils import logging

    before, counted = logging.get_verbosity(), config.HF_UPDATE_DOWNLOAD_COUNTS
    logging.set_verbosity(logging.CRITICAL)
    config.HF_UPDATE_DOWNLOAD_COUNTS = False
    try:
        yield
    finally:
        logging.set_verbosity(before)
        config.HF_UPDATE_DOWNLOAD_COUNTS = counted
