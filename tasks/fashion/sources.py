"""Where reviews come from: a file, or a folder's one data file; and the titles of products beside it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from listeval import DataFile, local_file

from .copies import Product

_ENDS = (".jsonl", ".ndjson", ".json", ".parquet", ".csv", ".tsv")


class Source(NamedTuple):
    """A file of reviews; `titles` finds the titles of products by id."""

    file: DataFile
    titles: Callable[[Collection[str]], Mapping[str, str]] = lambda products: {}

    def titles_of(self, products: Sequence[Product]) -> dict[str, str | None]:
        """Titles by product; the source's own where the reviews name none."""
        own = {product.id: product.title for product in products}
        return {**own, **self.titles([name for name, title in own.items() if title is None])}

    @property
    def stem(self) -> str:
        """The file's name without the endings of a data file: `Musical_instruments_reviews`."""
        bare = Path(self.file.name).name.removesuffix(".gz")
        return bare.removesuffix(next((end for end in _ENDS if bare.endswith(end)), ""))


def local(path: Path) -> Source:
    """The file at `path`, or the one data file in that folder.

    Raises UserError where there is none, more than one, or no permission.
    """
    return Source(local_file(path, _ENDS))
