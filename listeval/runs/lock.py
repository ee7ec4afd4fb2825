"""One writer a run: an advisory lock on the run's directory that dies with its process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from listeval.errors import UserError


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold the run's lock. Raises UserError when another process holds it, naming its pid."""
    path = directory / ".lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UserError(
            f"cannot write here: {error.strerror}", place=str(directory), fix="choose another --out"
        ) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 32).decode().strip() or "unknown"
            raise UserError(
                f"another process (pid {holder}) is writing this run",
                place=str(directory),
                fix="wait for it, or choose another --out",
            ) from None
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)
