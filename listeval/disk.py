"""Files of a run's directory, which may come from somebody else: regular files only, links are not followed.

A run directory can be unpacked from anywhere. A link in it could make a write land in a file of the user's, a pipe
could make a read wait for ever; both are refused with their place. What a killed write left behind is swept.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from listeval.errors import UserError

_LEFT = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d{1,10})")
"""What `write_atomic` calls the file that it has not finished."""


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of the regular file at `path`, created where `flags` say so.

    Raises UserError for a link, a pipe, a device or a folder; OSError where the system refuses, also for a file
    that is not there.
    """
    try:
        # Opening a pipe to read would wait for its writer.
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    except OSError as error:
        with suppress(OSError):
            if not stat.S_ISREG(path.lstat().st_mode):
                raise _no_file(path) from None
        raise error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _no_file(path)
    return handle


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """The regular file at `path` to read. Raises as `open_regular` does."""
    with open(open_regular(path), "rb") as file:
        yield file


def user_path(name: str | Path) -> Path:
    """A path in which `~` stands for a home; as it is where there is no such user, for it may be no path at all."""
    return Path(os.path.expanduser(name))  # noqa: PTH111 - pathlib's own raises for an unknown user


def absolute_path(name: str) -> str:
    """A path that exists, made absolute so that a manifest works from any folder; anything else as it is."""
    path = user_path(name)
    # `Path.exists` raises for a name that is too long to be one.
    return str(path.resolve()) if name and os.path.exists(path) else name  # noqa: PTH110


def read_regular(path: Path) -> bytes:
    """The bytes of the regular file at `path`. Raises as `open_regular` does."""
    with reading(path) as file:
        return file.read()


def write_atomic(path: Path, data: bytes) -> None:
    """Write a whole file or none; a link at `path` is replaced, never followed. Raises UserError when the disk refuses.

    What an earlier write of this file left, whose process is gone, is removed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        sweep(path.parent, path.name)
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with open(handle, "wb") as file:  # noqa: PTH123 - of a descriptor, not a path
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise UserError(
            f"cannot write: {error.strerror}", place=str(path), fix="free some space or choose another --out"
        ) from None


def make_directory(directory: Path) -> None:
    """Create a run's directory. Raises UserError where that is not possible."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot create the run: {error.strerror}", place=str(directory), fix="choose another --out"
        ) from None


def sweep(directory: Path, name: str = "") -> None:
    """Remove what killed writes of `name`, or of any file, left in `directory`; those of living processes stay."""
    with os.scandir(directory) as entries:
        left = [(entry.path, found) for entry in entries if (found := _LEFT.fullmatch(entry.name))]
    for path, found in left:
        if name in ("", found["name"]) and not _lives(int(found["pid"])):
            with suppress(OSError):
                os.unlink(path)  # noqa: PTH108 - a folder of that name stays


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return pid != os.getpid()


def _no_file(path: Path) -> UserError:
    cause = "not a regular file (a link, a pipe, a device or a folder), so it is neither read nor written"
    return UserError(cause, place=str(path), fix="put the file itself there, or leave this directory alone")
