"""What a task's code is: a hash of all that ships in its folder, and the neighbours that it imports.

The hash covers every file below the folder, sub-packages and linked ones too: code, templates, data. Left out is what
no run depends on: hidden files, byte-code caches, `README*` and the `version.json` that `tasks check` writes.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path

from listeval.errors import UserError

PACKAGE = "listeval_tasks"
"""The name that folder tasks are imported under, each as a package of it."""

_NOT_CODE = re.compile(r"version\.json|README(\..*)?", re.IGNORECASE)
_MAY_REACH_OUT = re.compile(rb"from[\s\\]+\.[\s\\.]*\.|" + PACKAGE.encode())


def tree_hash(folder: Path) -> str:
    """sha256 (hex) over names and bytes of all files that ship in `folder`, or of the one file that it is.

    Raises UserError where one cannot be read.
    """
    digest = hashlib.sha256()
    for name, file in _files(folder):
        digest.update(f"{name}\0".encode("utf-8", "surrogateescape"))
        digest.update(_content(file))
    return digest.hexdigest()


def neighbours(folder: Path) -> set[str]:
    """Names beside `folder` that its code says it imports (`from ..fashion import hub`); its own name is left out."""
    found: set[str] = set()
    for name, file in _files(folder):
        if name.endswith(".py"):
            source = _read(file)
            if _MAY_REACH_OUT.search(source):
                found |= _reached(source, depth=name.count("/"))
    return found - {folder.name}


def parsed(source: bytes) -> ast.Module:
    """The syntax of a module, without a word from the compiler. Raises what `ast.parse` raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file that ships, by its path below `folder` in a fixed order; a folder linked twice is read once."""
    if folder.is_file():
        yield folder.name, folder
        return
    found: list[tuple[str, Path]] = []
    seen: set[str] = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        where = os.path.realpath(root)
        if where in seen:
            folders.clear()
            continue
        seen.add(where)
        below = Path(root).relative_to(folder)
        for name in files:
            if not name.startswith(".") and not (Path(root) == folder and _NOT_CODE.fullmatch(name)):
                found.append(((below / name).as_posix(), Path(root) / name))
    yield from sorted(found)


def _content(file: Path) -> bytes:
    """The hash of a regular file; a pipe or a broken link ships no bytes."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            return b"-"
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except FileNotFoundError:
        return b"-"
    except OSError as error:
        raise _unreadable(file, error) from None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes() if file.is_file() else b""
    except OSError as error:
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: OSError) -> UserError:
    return UserError(f"task code cannot be read: {error.strerror}", place=str(file), fix="check its permissions")


def _reached(source: bytes, depth: int) -> set[str]:
    """What a file `depth` folders below its task's imports from beside the task."""
    try:
        tree = parsed(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()  # importing it says what is wrong
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            found |= {name.split(".")[1] for name in names if name.startswith(f"{PACKAGE}.")}
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".") if node.module else []
            if node.level == 0 and module[:1] == [PACKAGE]:
                module = module[1:]
            elif node.level != depth + 2:
                continue
            found |= set(module[:1]) or {alias.name for alias in node.names}
    return found
