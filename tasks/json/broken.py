"""Where an answer that is JSON breaks its schema: every refused path, with what is wrong there."""

from __future__ import annotations

from listeval import Kind, Row, Schema

from .leaves import Path

KINDS = (Kind.MISSING_KEY, Kind.EXTRA_KEY, Kind.BAD_VALUE)
"""What can be wrong at a path. The kind of an answer is the first of them that it shows."""


def broken_paths(row: Row, contract: Schema) -> list[tuple[Path, Kind]]:
    """The refused paths of an answer; none of one whose JSON broke before its schema was asked, or that kept it."""
    if row["kind"] not in KINDS or row["span"] is None:
        return []
    start, end = row["span"]
    block = row["text"][start:end]
    if row["kind"] == Kind.EXTRA_KEY and block[:1] not in ("{", "["):
        return []  # a key that stands twice, which is pointed at
    return contract.broken(block)
