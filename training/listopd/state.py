"""A saved state is sealed: it says what it holds, by checksum, so that damage is named and never trained on.

`step.json` beside the files of accelerate's own state holds the step, what the run was told and read, the λ policy's
state, a SHA-256 of every file, and one of itself. A checksum finds damage, not forgery: a stranger's state is not to be
resumed from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, NamedTuple

from listeval.errors import UserError, first_line

_SEAL = "step.json"
_AGAIN = "start without --resume, in another --out"


class SavedState(NamedTuple):
    """What a state says of itself; JSON values."""

    step: int
    """Optimiser steps done."""
    steps: int
    """How many there were to be."""
    recipe: dict[str, Any]
    inputs: dict[str, str]
    """Fingerprints by what they are of."""
    policy: dict[str, float]
    """Of λ; empty where it has none."""
    clock: str | None = None
    """What a template with a clock printed, in ISO 8601; states of an earlier version do not say."""


def seal(folder: Path, saved: SavedState) -> None:
    """Write down what `folder` holds. Raises OSError."""
    content = {**saved._asdict(), "files": _digests(folder)}
    (folder / _SEAL).write_text(json.dumps({**content, "digest": _digest(content)}), encoding="utf-8")


def unseal(folder: Path) -> SavedState:
    """What a sealed state says. Raises UserError, naming file and damage, unless every byte is as it was written."""
    file = folder / _SEAL
    content = _read(file)
    if content.pop("digest") != _digest(content):
        raise UserError("the state is damaged: it is not what was written", place=str(file), fix=_AGAIN)
    saved = SavedState(**{name: content[name] for name in SavedState._fields if name in content})
    _check_files(folder, content["files"])
    if not 0 < saved.step <= saved.steps:
        cause = f"the state is of step {saved.step} of {saved.steps}, which there is not"
        raise UserError(cause, place=str(file), fix=_AGAIN)
    return saved


def told_clock(folder: Path) -> str | None:
    """The clock that a state names, before it is unsealed; None where it names none or cannot be read."""
    try:
        return _read(folder / _SEAL).get("clock")
    except UserError:
        return None


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(first_line(error), file) from None
    due = {*SavedState._fields, "files", "digest"} - set(SavedState._field_defaults)
    if not isinstance(content, dict) or not due <= set(content):
        raise _unreadable("it lacks what a state holds", file)
    return content


def _check_files(folder: Path, expected: Mapping[str, str]) -> None:
    try:
        found = _digests(folder)
    except OSError as error:
        raise _unreadable(first_line(error), folder) from None
    for name in sorted({*expected, *found}):
        if found.get(name) != expected.get(name):
            damage = "missing" if name not in found else "not as it was written"
            damage = "no part of it" if name not in expected else damage
            raise UserError(f"the state is damaged: {name} is {damage}", place=str(folder), fix=_AGAIN)


def _unreadable(why: str, file: Path) -> UserError:
    return UserError(f"the state cannot be read: {why}", place=str(file), fix=_AGAIN)


def _digests(folder: Path) -> dict[str, str]:
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file != folder / _SEAL:
            with file.open("rb") as stream:
                found[file.relative_to(folder).as_posix()] = file_digest(stream, "sha256").hexdigest()
    return found


def _digest(content: Mapping[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
