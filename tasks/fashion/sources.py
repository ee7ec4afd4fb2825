"""Where reviews come from: a file, plain or gzip, or a folder's one data file."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import IO, NamedTuple, cast

from listeval.errors import UserError

_SUFFIXES = (".jsonl", ".json", ".csv")
_GZIP = b"\x1f\x8b"


class Source(NamedTuple):
    """`open` gives the bytes anew each time; `titles` finds the titles of products by id."""

    name: str
    fingerprint: str
    open: Callable[[], IO[bytes]]
    titles: Callable[[Collection[str]], Mapping[str, str]] = lambda products: {}


def local(path: Path) -> Source:
    """The file at `path`, or the one data file in that folder; its fingerprint is the SHA-256 of the bytes.

    Raises UserError where there is none, more than one, or no permission.
    """
    try:
        file = _only_file(path) if path.is_dir() else path
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise UserError("no such file or folder", place=str(path), fix="give --data an existing path") from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", place=str(path), fix="check its permissions") from None
    return Source(str(file), digest, lambda: _unpacked(file))


def _only_file(folder: Path) -> Path:
    found = sorted(f for f in folder.iterdir() if f.name.removesuffix(".gz").endswith(_SUFFIXES) and f.is_file())
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f.name for f in found[:6]) + (", ..." if len(found) > 6 else "")
        raise UserError(f"{len(found)} data files: {names}", place=str(folder), fix="name one of them in --data")
    ends = ", ".join(_SUFFIXES)
    raise UserError("no data file", place=str(folder), fix=f"a data file ends in {ends}, with or without .gz after it")


def _unpacked(file: Path) -> IO[bytes]:
    with file.open("rb") as stream:
        packed = stream.read(2) == _GZIP or file.suffix == ".gz"
    # GzipFile reads line by line slowly; a large buffer over it makes that a memory copy.
    return cast(IO[bytes], io.BufferedReader(gzip.open(file), 1 << 20)) if packed else file.open("rb")
