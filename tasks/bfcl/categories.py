"""The AST categories of the Berkeley Function-Calling Leaderboard in Python, and the files that hold them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

NON_LIVE = ("simple_python", "multiple", "parallel", "parallel_multiple")
"""Written for the leaderboard: one function and one call, several functions, several calls, both."""

LIVE = ("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple")
"""The same four from requests that users sent."""

CATEGORIES = NON_LIVE + LIVE

RESERVED = ("mean", "live", "non_live", "contradicted", "unsatisfiable")
"""What figures and counts over several categories are called, so no category can be."""

_FILE = re.compile(r"BFCL_v(\d+)_(\w+)\.json")
_V3_NAMES = {"simple": "simple_python"}


class FileName(NamedTuple):
    """What a file's name says: the release, and the category under its v4 name."""

    release: int
    category: str


def parse_file_name(name: str) -> FileName | None:
    """`BFCL_v3_simple.json` as (3, "simple_python"); None for a file that is not the leaderboard's."""
    found = _FILE.fullmatch(name)
    return FileName(int(found[1]), category_named(found[2])) if found else None


def file_patterns(categories: Iterable[str]) -> list[str]:
    """What the names of the files with these categories match, under the names of any release."""
    older = {name: old for old, name in _V3_NAMES.items()}
    return [f"BFCL_v*_{name}.json" for known in categories for name in {known, older.get(known, known)}]


def category_named(name: str) -> str:
    """A category under its v4 name."""
    return _V3_NAMES.get(name, name)
