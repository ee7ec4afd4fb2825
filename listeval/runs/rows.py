"""The append-only journal of a run: one JSON object a line, and what a torn line means.

A row starts with key, outcome and reason, so the index for a resume reads a prefix of each
line instead of parsing it. Only the last line can be torn (a killed process, a full disk):
it is cut off before the next append and its sample is owed again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from pydantic_core import from_json, to_json

from listeval.errors import UserError
from listeval.runs.reask import Tried

Outcome = Literal["scored", "unscored", "error"]

_KEY_START = len(b'{"key":"')
_SYNC_EVERY_S = 1.0

TOO_LONG = "prompt_too_long"
"""Reason of a prompt that was refused; it costs nothing to refuse it again, and a longer model may take it."""

_OWED = (b'","outcome":"error"', f'","outcome":"unscored","reason":"{TOO_LONG}"'.encode())
"""What follows the key of a row whose sample is owed again."""

_LATER: set[Literal["verdict", "masked", "bare", "attempts"]] = {"verdict", "masked", "bare", "attempts"}
"""Fields that rows written before them lack; they are read as null."""


class Row(TypedDict):
    """One sample. `index` is its place among its seed's examples; `span` points into `text`;
    `scores` holds null where a metric is undefined; `verdict` is the task's word on a parsed answer;
    `bare`: the text is the JSON itself, null in rows from before it was noted, until `listeval score`;
    `masked` is the mean probability mass that a constraint took away from a step, null where unknown.

    `outcome`: `scored` (contract failures too), `unscored` (the instrument failed, see
    `reason`), `error` (the engine failed, see `error`; owed again on the next run).

    `attempts` holds every answer to a sample that was asked again, the first one first; the other fields are those of
    the last. It is null where the first answer was the only one. An `error` row with attempts goes on after them.
    """

    key: str
    outcome: Outcome
    reason: str | None
    example: str
    index: int
    seed: int
    cluster: str
    kind: str
    detail: str
    flags: Sequence[str]
    span: Sequence[int] | None
    missing: int
    bare: bool | None
    scores: dict[str, float | None]
    verdict: str | None
    value: Any
    target: Any
    text: str
    reasoning: str | None
    finish_reason: str
    n_tokens: int
    n_prompt_tokens: int
    latency_s: float
    masked: float | None
    prompt: str
    error: str | None
    attempts: Sequence[Tried] | None


def encode(row: Row) -> bytes:
    """One line. Values may be pydantic models; NaN becomes null."""
    return to_json(row, inf_nan_mode="null") + b"\n"


class Journal:
    """Appends rows to `samples.jsonl`: in the kernel's hands at once, on the disk within a second.

    Raises UserError when the disk is full; every row that was complete before stays.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise UserError(
                f"cannot write the run: {error.strerror}", place=str(path), fix="choose another --out"
            ) from None
        os.ftruncate(self._file, _whole_lines(path))
        self._synced = time.monotonic()

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows; of a disk that fills up, those that fit stay and the torn one goes."""
        view = memoryview(b"".join(map(encode, rows)))
        try:
            while view:
                view = view[os.write(self._file, view) :]
            if time.monotonic() - self._synced > _SYNC_EVERY_S:
                self.sync()
        except OSError as error:
            os.ftruncate(self._file, _whole_lines(self.path))
            raise UserError(
                f"cannot append to the run: {error.strerror}",
                place=str(self.path),
                fix="free some space and give the same command again; every row before this one is kept",
            ) from None

    def sync(self) -> None:
        """Force the rows to the disk."""
        os.fsync(self._file)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Sync and close."""
        try:
            os.fsync(self._file)
        finally:
            os.close(self._file)


def _whole_lines(path: Path) -> int:
    """Length in bytes of the file up to the end of its last whole line."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 65536)
            file.seek(start)
            cut = file.read(end - start).rfind(b"\n")
            if cut >= 0:
                return start + cut + 1
            end = start
    return 0


def done_keys(path: Path) -> set[str]:
    """Keys of the samples that need no engine any more; errors, refused prompts and a torn last line are owed."""
    keys: set[str] = set()
    if not path.exists():
        return keys
    with path.open("rb") as file:
        for line in file:
            end = line.find(b'"', _KEY_START)
            key = line[_KEY_START:end].decode()
            if not line.endswith(b"\n"):
                break
            if line.startswith(_OWED, end):
                keys.discard(key)
            else:
                keys.add(key)
    return keys


def tried_before(path: Path) -> dict[str, Sequence[Tried]]:
    """What was tried for each sample that is owed a further attempt, by key. Raises UserError as `read_rows` does."""
    return {row["key"]: row["attempts"] for row in read_rows(path) if row["outcome"] == "error" and row["attempts"]}


def read_rows(path: Path) -> Iterator[Row]:
    """Rows in the order of the file, a later row of the same key replacing an earlier one.

    Raises UserError for a line in the middle that is not JSON.
    """
    latest: dict[str, Row] = {}
    if not path.exists():
        return iter(())
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            try:
                row: Row = from_json(line)
                latest[row["key"]] = row
                # After the others: a row is found again by how its line begins.
                for name in _LATER - row.keys():
                    row[name] = None
                if not row.keys() >= Row.__annotations__.keys():
                    raise KeyError
            except (ValueError, KeyError, TypeError, AttributeError):
                raise UserError(
                    "a row is not a listeval row", place=f"{path}:{number}", fix="delete that line and run again"
                ) from None
    return iter(latest.values())
