"""Folders whose task code this user was told of: `known_task_folders` in the user's state folder, one path a line.

It lies in `$XDG_STATE_HOME/listeval`, by default `~/.local/state/listeval`, where nothing that is unpacked into a
working folder reaches. Where it cannot be read or written, every folder is told of again.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

_FILE = "known_task_folders"


def is_known(folder: Path) -> bool:
    """Whether `folder` was noted before."""
    try:
        lines = _file().read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, RuntimeError):
        return False
    return json.dumps(str(folder)) in lines


def note(folder: Path) -> None:
    """Note `folder`; a disk that refuses costs nothing but the line that is then said again."""
    if is_known(folder):
        return
    with suppress(OSError, RuntimeError):
        file = _file()
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(str(folder)) + "\n")


def _file() -> Path:
    """Raises RuntimeError where the user has no home."""
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    root = state if state.is_absolute() else Path.home() / ".local" / "state"
    return root / "listeval" / _FILE
