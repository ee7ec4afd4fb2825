"""The ledger of a run: which samples its rows answer, so that a row from elsewhere is known as one.

`ledger` (`.owed` in earlier runs) holds a mark, a line each, of every sample that this run asked for, written before
the sample's row is. A row whose mark is not there was not made by this run: it was copied in, or its key, example or
seed was altered. That there is a ledger stands in the manifest, so that a lost one is missed. Runs from before there
was one have none; their rows are taken as they are when they go on.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic_core import to_json

from listeval.disk import read_regular, write_atomic
from listeval.errors import UserError
from listeval.runs.manifest import Manifest, has_rows
from listeval.runs.rows import LineWriter, RowHead, row_heads

if TYPE_CHECKING:
    from listeval.runs.stored_row import JudgedRow

FILE = "ledger"
_BEFORE = ".owed"
"""What it was called; a hidden file stays behind when a folder is copied by `*` or kept by a CI."""


def mark(created: str, key: str, example: str, seed: int) -> bytes:
    """Stands for one sample of the run that was `created` then: 16 hex digits, another for any other sample or run."""
    return sha256(to_json([created, key, example, seed])).hexdigest()[:16].encode()


def read_ledger(directory: Path) -> frozenset[bytes] | None:
    """The marks of a run's samples; None where it keeps no ledger. Raises UserError where it cannot be read."""
    path = _path(directory)
    try:
        return frozenset(read_regular(path).split())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", place=str(path), fix="check the file") from None


def is_lost(directory: Path, manifest: Manifest) -> bool:
    """Whether the run's rows were noted in a ledger that is not there any more."""
    return manifest.ledger and has_rows(directory) and not os.path.lexists(_path(directory))


def restore(directory: Path, created: str, own: Iterable[bytes]) -> None:
    """Make a lost ledger anew: of the run's `own` samples by their marks, those that have a row.

    Raises UserError where the disk refuses.
    """
    there = {mark(created, found.key, found.example, found.seed) for _, found in row_heads(directory / "samples.jsonl")}
    write_atomic(directory / FILE, b"".join(one + b"\n" for one in own if one in there))


def _path(directory: Path) -> Path:
    """Where the run's ledger is, or is to be."""
    before = directory / _BEFORE
    return before if os.path.lexists(before) else directory / FILE


def lost(directory: Path, created: str, rows: Iterable[JudgedRow]) -> int:
    """How many samples the run asked for that none of `rows` answers; 0 where it keeps no ledger.

    What it had not yet asked for is not among them. Raises UserError where the ledger cannot be read.
    """
    found = (mark(created, row.key, row.example, row.seed) for row in rows)
    return len((read_ledger(directory) or frozenset()).difference(found))


class Ledger:
    """Notes samples before their rows are written; whoever holds it also holds the run's lock."""

    def __init__(self, directory: Path, created: str) -> None:
        """Raises UserError where the disk refuses."""
        known = read_ledger(directory)
        self.created = created
        self._known = known or frozenset()
        self._lines = LineWriter(_path(directory))
        if known is None:
            made = [self._of(found) for _, found in row_heads(directory / "samples.jsonl")]
            self.note(made)
            self._known = frozenset(made)

    def mark(self, key: str, example: str, seed: int) -> bytes:
        """What stands for a sample of this run."""
        return mark(self.created, key, example, seed)

    def knew(self, mark: bytes) -> bool:
        """Whether the sample was noted before this process."""
        return mark in self._known

    def note(self, marks: Iterable[bytes]) -> None:
        """Write down those that are not there. Raises UserError when the disk is full."""
        new = [one for one in dict.fromkeys(marks) if one not in self._known]
        if new:
            # These are not kept in mind: a sample is asked for once, and a mark that stands twice says nothing else.
            self._lines.write(b"\n".join([*new, b""]))

    def done(self, path: Path) -> set[bytes]:
        """Marks of the samples whose rows in the file `path` need no engine any more, whether they are noted or not."""
        done: set[bytes] = set()
        for _, found in row_heads(path):
            if found.owed:
                done.discard(self._of(found))
            else:
                done.add(self._of(found))
        return done

    def close(self) -> None:
        """Sync and close."""
        self._lines.close()

    def _of(self, found: RowHead) -> bytes:
        return mark(self.created, found.key, found.example, found.seed)
