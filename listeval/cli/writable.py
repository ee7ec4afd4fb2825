"""A file that a command writes at its end, checked before its work."""

from __future__ import annotations

from pathlib import Path

from listeval.errors import UserError


def writable(file: Path, what: str, example: str) -> Path:
    """`file`. Raises UserError where the `what` cannot be written there; `example` is a name that could be."""
    if file.is_dir() or not file.parent.is_dir():
        cause = "is a folder" if file.is_dir() else "its folder does not exist"
        raise UserError(f"cannot write the {what}: {cause}", place=str(file), fix=f"name a file such as {example}")
    return file
