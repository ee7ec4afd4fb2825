"""One writer a run: an advisory lock on the run's directory that dies with its process."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from listeval.disk import open_regular, sweep
from listeval.errors import UserError

_PID = re.compile(rb"\d{0,10}\n?")


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold the run's lock; what a killed writer left unfinished is swept.

    Raises UserError when another process holds it, naming its pid, where the disk refuses, and for a `.lock` that
    is no lock of ours: its bytes would be lost.
    """
    path = directory / ".lock"
    try:
        handle = open_regular(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise _refused(error, path) from None
    try:
        _take(handle, path)
        yield
    finally:
        os.close(handle)


def _take(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
        cause = f"another process (pid {holder}) is writing this run"
        fix = "wait for it, or choose another --out"
        raise UserError(cause, place=str(path.parent), fix=fix) from None
    except OSError as error:
        raise _refused(error, path) from None
    # A hard link of some other file would be emptied like a link that was followed.
    if os.fstat(handle).st_nlink > 1 or not _PID.fullmatch(os.read(handle, 32)):
        raise UserError("this is no lock of listeval", place=str(path), fix="remove it, or choose another --out")
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        sweep(path.parent)
    except OSError as error:
        raise _refused(error, path) from None


def _refused(error: OSError, path: Path) -> UserError:
    fix = "free some space or choose another --out"
    return UserError(f"cannot write here: {error.strerror}", place=str(path), fix=fix)
