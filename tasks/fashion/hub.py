"""Categories of Amazon-Reviews-2023 and where their files are on the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from listeval import DataFile, HubDataset, is_missing, rows

from .sources import Source

_REPOSITORY = "McAuley-Lab/Amazon-Reviews-2023"


class Category(NamedTuple):
    """A category of Amazon-Reviews-2023 (Hou et al., arXiv 2403.03952), such as `Baby_Products`."""

    name: str

    @property
    def label(self) -> str:
        """What reports call it: `Amazon Fashion`, `Amazon Baby_Products`."""
        return f"Amazon {self.name.removeprefix('Amazon_')}"

    @property
    def reviews(self) -> str:
        """Path of the reviews in the repository."""
        return f"raw/review_categories/{self.name}.jsonl"

    @property
    def products(self) -> str:
        """Path of the product descriptions in the repository."""
        return f"raw/meta_categories/meta_{self.name}.jsonl"

    def names(self, stem: str) -> bool:
        """Whether a file of this name (without endings) is said to hold this category.

        Letter case aside, that is the category's name as a release writes it: alone, after
        `raw_review_` (2023) or `reviews_` (2014), or before `_5` (5-core).
        """
        return re.fullmatch(rf"(raw_review_|reviews_)?{re.escape(self.name)}(_5)?", stem, re.IGNORECASE) is not None

    def title(self, stem: str) -> str:
        """What reports call a local file: its own name, marked where that does not say that it is this category."""
        return stem if self.names(stem) else f"{stem} (stand-in, not {self.label})"


def fetch(category: Category) -> Source:
    """The category at the hub's newest revision, its titles fetched when they are asked for.

    Raises UserError without the package, and without the network for what is not in the hub's cache.
    """
    hub = HubDataset(_REPOSITORY)

    def titles(products: Collection[str]) -> Mapping[str, str]:
        return titles_among(hub.file(category.products), products)

    return Source(hub.file(category.reviews), titles)


def titles_among(descriptions: DataFile, products: Collection[str]) -> dict[str, str]:
    """Titles of `products` by id from the hub's product descriptions, reading no further than needed."""
    wanted, found = set(products), dict[str, str]()
    for _, row in rows(descriptions):
        if row["parent_asin"] in wanted and not is_missing(row.get("title")) and row["title"]:
            found[row["parent_asin"]] = row["title"]
        if len(found) == len(wanted):
            break
    return found
