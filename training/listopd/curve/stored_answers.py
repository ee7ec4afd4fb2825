"""The answers of a curve as a file that is written as they come, so that a curve that was stopped goes on.

The first line says what the answers are a function of, and the time that a template with a clock printed in their
prompts; a file of another curve is refused. Every other line is one prompt's answers: token ids and whether a stop
token came, one for each arm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from listeval.disk import read_regular
from listeval.errors import UserError
from listeval.runs.rows import LineWriter
from listopd.curve.decode import WrittenAnswer

_Head = TypeAdapter(dict[str, str])
_Line = TypeAdapter(tuple[str, list[tuple[tuple[int, ...], bool]]])


class StoredAnswers:
    """Known answers by prompt. Without a path they are only kept in memory."""

    def __init__(self, path: Path | None, identity: Mapping[str, Any], clock: datetime | None = None) -> None:
        """`clock` is what the prompts print. Raises UserError for another curve's file, and where the disk refuses."""
        self.known: dict[str, list[WrittenAnswer]] = {}
        self._lines: LineWriter | None = None
        if path is None:
            return
        told = {} if clock is None else {"clock": clock.isoformat()}
        head = to_json({"curve": sha256(to_json(identity)).hexdigest()} | told)
        lines = _whole_lines(path)
        if lines and lines[0] != head:
            cause = "these are the answers of another curve: models, data, λ, floor or the date of the prompts differ"
            raise UserError(cause, place=str(path), fix="name another --out, or move the file away")
        for line in lines[1:]:
            name, answers = _read(line, path)
            self.known[name] = answers
        self._lines = LineWriter(path)
        if not lines:
            self._lines.write(head + b"\n")

    def add(self, names: Sequence[str], answers: Sequence[list[WrittenAnswer]]) -> None:
        """Keep, and write down, the answers to these prompts. Raises UserError when the disk is full."""
        self.known |= zip(names, answers, strict=True)
        if self._lines is not None:
            self._lines.write(b"".join(to_json((name, own)) + b"\n" for name, own in zip(names, answers, strict=True)))

    def close(self) -> None:
        """Sync and close."""
        if self._lines is not None:
            self._lines.close()


def stored_clock(path: Path) -> datetime | None:
    """The time that the prompts of the curve in this file print; None where there is no file, or it tells none."""
    try:
        return datetime.fromisoformat(_Head.validate_json(_whole_lines(path)[0])["clock"])
    except (IndexError, KeyError, ValueError):
        return None


def _whole_lines(path: Path) -> list[bytes]:
    """Without a torn last one."""
    try:
        return read_regular(path).split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", place=str(path), fix="check the file") from None


def _read(line: bytes, path: Path) -> tuple[str, list[WrittenAnswer]]:
    try:
        name, answers = _Line.validate_json(line)
    except ValidationError:
        raise UserError("a line is no prompt's answers", place=str(path), fix="move the file away") from None
    return name, [WrittenAnswer(*answer) for answer in answers]
