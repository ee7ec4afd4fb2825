"""The append-only journal of a run: one JSON object a line, and what a torn line means.

A row starts with key, outcome, reason, example, index and seed, so the index for a resume reads
a prefix of each line instead of parsing it. Only the last line can be torn (a killed process, a full disk):
it is cut off before the next append and its sample is owed again.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

from pydantic_core import from_json, to_json

from listeval.contract.taxonomy import Kind
from listeval.disk import open_regular, reading
from listeval.errors import UserError
from listeval.runs.fields import Count, Name, Number, Seed, Span
from listeval.runs.reask import SampleAttempt
from listeval.visible import storable

Outcome = Literal["scored", "unscored", "error"]

_SYNC_EVERY_S = 1.0
_BLOCK = 1 << 18
"""Bytes that are read at a time: few enough to stay in a processor's cache until they are decoded."""

TOO_LONG = "prompt_too_long"
"""Reason of a prompt that was refused; it costs nothing to refuse it again, and a longer model may take it."""

_TOO_LONG = f'"{TOO_LONG}"'.encode()
_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_HEAD = re.compile(
    rb'\{"key":"(?P<key>[0-9a-f]+)","outcome":"(?P<outcome>[a-z]+)","reason":(?P<reason>null|%b),'
    rb'"example":(?P<example>%b),"index":\d+,"seed":(?P<seed>-?\d{1,18}),' % (_STRING, _STRING)
)
"""How `encode` begins a line. Only what this recognises is taken without parsing the line."""


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

    key: Name
    outcome: Outcome
    reason: str | None
    example: str
    index: Count
    seed: Seed
    cluster: str
    kind: str
    detail: str
    flags: Sequence[str]
    span: Span | None
    missing: Count
    bare: bool | None
    scores: dict[str, Number | None]
    verdict: str | None
    value: Any
    target: Mapping[str, Any]
    text: str
    reasoning: str | None
    finish_reason: str
    n_tokens: Count
    n_prompt_tokens: Count
    latency_s: Number
    masked: Number | None
    prompt: str
    error: str | None
    attempts: Sequence[SampleAttempt] | None


def encode(row: Row) -> bytes:
    """One line. Values may be pydantic models; NaN becomes null.

    A value that is no JSON, which only a contract of a task's own makes of an answer, leaves `row` unscored.
    """
    try:
        return to_json(row, inf_nan_mode="null") + b"\n"
    except ValueError as error:
        if row["value"] is None:
            raise
        forget(row)
        unscore(row, f"contract: its value is no JSON: {error}")
        return to_json(row, inf_nan_mode="null") + b"\n"


def forget(row: Row) -> None:
    """Nothing is known of the answer until its contract has read it, whatever was known before."""
    row["reason"] = row["verdict"] = row["value"] = row["span"] = None
    row["kind"], row["flags"], row["missing"], row["bare"] = Kind.ENGINE_ERROR.value, (), 0, None


def unscore(row: Row, reason: str) -> None:
    """The instrument failed, not the answer: `reason` says how."""
    row["outcome"], row["scores"], row["verdict"] = "unscored", {}, None
    row["reason"] = row["detail"] = storable(reason)


class LineWriter:
    """Appends whole lines to a file: in the kernel's hands at once, on the disk within a second.

    Raises UserError when the disk is full, here and later; every line that was complete before stays. A torn last
    line, which only a kill leaves, is cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        except OSError as error:
            raise UserError(
                f"cannot write the run: {error.strerror}", place=str(path), fix="choose another --out"
            ) from None
        with self._disk():
            os.ftruncate(self._file, _whole_lines(self._file))
        self._synced = time.monotonic()

    def write(self, lines: bytes) -> None:
        """Write lines; of a disk that fills up, those that fit stay and the torn one goes."""
        view = memoryview(lines)
        with self._disk():
            try:
                while view:
                    view = view[os.write(self._file, view) :]
            except OSError:
                os.ftruncate(self._file, _whole_lines(self._file))
                raise
            if time.monotonic() - self._synced > _SYNC_EVERY_S:
                self.sync()

    def sync(self) -> None:
        """Force the lines to the disk."""
        with self._disk():
            os.fsync(self._file)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Sync and close."""
        try:
            self.sync()
        finally:
            os.close(self._file)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"cannot append to the run: {error.strerror}",
                place=str(self.path),
                fix="free some space and give the same command again; every row before this one is kept",
            ) from None


class RowWriter(LineWriter):
    """Appends rows to `samples.jsonl`."""

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows. Raises UserError as `write` does."""
        self.write(b"".join(map(encode, rows)))


def _whole_lines(file: int) -> int:
    """Length in bytes of an open file up to the end of its last whole line."""
    end = os.fstat(file).st_size
    while end:
        start = max(0, end - 65536)
        cut = os.pread(file, end - start, start).rfind(b"\n")
        if cut >= 0:
            return start + cut + 1
        end = start
    return 0


class RowHead(NamedTuple):
    """What a row's line begins with: whose answer it is, and whether its sample is owed again."""

    key: str
    example: str
    seed: int
    owed: bool


def row_heads(path: Path) -> Iterator[tuple[int, RowHead]]:
    """Number and head of every whole line, without parsing the rest of it where the line is as `encode` writes it.

    Raises UserError for a line that is no row, with its number.
    """
    for number, line in whole_lines(path):
        found = _HEAD.match(line)
        try:
            if found is not None and line.endswith(b"}\n"):
                key, outcome, reason, example, seed = found.groups()
                owed = is_owed(outcome.decode(), TOO_LONG if reason == _TOO_LONG else None)
                name = from_json(example) if b"\\" in example else example[1:-1].decode()
                yield number, RowHead(key.decode(), name, int(seed), owed)
            else:
                yield number, row_head(from_json(line))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise not_a_row(path, number) from None


def row_head(row: Row) -> RowHead:
    """The head of a whole row. Raises TypeError for a key that is no text."""
    if not isinstance(row["key"], str):
        raise TypeError
    return RowHead(row["key"], row["example"], row["seed"], is_owed(row["outcome"], row["reason"]))


def unit(cluster: str, example: str) -> str:
    """What an answer depends on: its product, else its example, whatever the seed."""
    return cluster or example


def is_owed(outcome: str, reason: str | None) -> bool:
    """Whether a sample whose row says so is asked again when its run goes on."""
    return outcome == "error" or (outcome == "unscored" and reason == TOO_LONG)


def done_keys(path: Path) -> set[str]:
    """Keys of the samples that need no engine any more; errors, refused prompts and a torn last line are owed."""
    keys: set[str] = set()
    for _, found in row_heads(path):
        if found.owed:
            keys.discard(found.key)
        else:
            keys.add(found.key)
    return keys


def not_a_row(path: Path, number: int) -> UserError:
    """A line that no listeval wrote."""
    return UserError("a row is not a listeval row", place=f"{path}:{number}", fix="delete that line and run again")


def whole_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of every whole line; nothing where there is no file. Raises UserError for an unreadable one."""
    return enumerate(chain.from_iterable(map(BytesIO, whole_blocks(path))), 1)


def whole_blocks(path: Path) -> Iterator[bytes]:
    """The whole lines of a file, some hundred at a time. Nothing and raises as `whole_lines`."""
    try:
        with reading(path) as file:
            while block := file.read(_BLOCK):
                block += file.readline()
                if whole := block[: block.rfind(b"\n") + 1]:
                    yield whole
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", place=str(path), fix="check the file") from None
