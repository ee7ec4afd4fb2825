"""Random damage to the files of a run: bytes, lines, JSON values, and what stands in the place of a file."""

import json
import os
import random
import shutil
from copy import deepcopy
from pathlib import Path

FILES = ("manifest.json", "samples.jsonl", "metrics.json", "ledger", ".lock")
_WEIGHTS = (40, 40, 10, 8, 2)

NASTY = [
    None, True, 0, -1, 1.5, 2**53, 2**70, -(2**70), 10**400, 1e308, float("nan"), float("inf"), "", "x", "\x1b[2J", "é",
    "\u202e", "a\nb", "\x00", "9" * 5000, [], [[]], [None], [1, 2], [2, 1], {}, {"a": 1}, {"": None}, ["x"] * 50,
    "../../x",
]  # fmt: skip
_BYTES = [
    b"\xff", b"\xc3", b"\x00", b"\xef\xbb\xbf", b"\n", b"\r", b"{", b"}", b'"', b"\\", b"[" * 3000, b"\xed\xa0\x80",
    b"\\ud800", b"9" * 400, b"\x1b]0;t\x07", b"\x9b", b"NaN", b"1e999", b"null", b"-",
]  # fmt: skip


def damage(folder: Path, rng: random.Random) -> str:
    """Damage one file of `folder`; returns its name. Nothing is left that waits for ever but a pipe."""
    (name,) = rng.choices(FILES, _WEIGHTS)
    path = folder / name
    if rng.random() < 0.03:
        _replace(path, rng)
        return name
    data = path.read_bytes()
    how = rng.random()
    if how < 0.45 and data.strip() and name.endswith((".json", ".jsonl")):
        data = _value(data, rng)
    elif how < 0.6:
        data = _lines(data, rng)
    else:
        for _ in range(rng.choice((1, 1, 1, 3))):
            data = _bytes(data, rng)
    path.write_bytes(data)
    return name


def _bytes(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    until = min(len(data), at + rng.choice((1, 1, 2, 8, 200)))
    middle = rng.choice(
        (
            lambda: bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 : until] if at < len(data) else b"!",
            lambda: b"",
            lambda: data[at:until] * 2,
            lambda: rng.choice(_BYTES) + data[at:until],
            lambda: rng.randbytes(until - at),
        )
    )()
    return data[:at] + middle + (b"" if rng.random() < 0.1 else data[until:])


def _lines(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True) or [b""]
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    what = rng.randrange(4)
    if what == 0:
        lines[at], lines[other] = lines[other], lines[at]
    elif what == 1:
        lines.insert(at, lines[other])
    elif what == 2:
        del lines[at]
    else:
        lines[at] = lines[at].rstrip(b"\n")
    return b"".join(lines)


def _value(data: bytes, rng: random.Random) -> bytes:
    """Another value, key or place somewhere in one JSON value of the file."""
    lines = data.splitlines(keepends=True) if data.count(b"\n{") else [data]
    at = rng.randrange(len(lines))
    value = json.loads(lines[at])
    for _ in range(rng.choice((1, 1, 2))):
        _change(value, rng)
    indent = None if len(lines) > 1 else 1
    lines[at] = json.dumps(value, indent=indent, separators=None if indent else (",", ":")).encode() + b"\n"
    return b"".join(lines)


def _change(value: object, rng: random.Random) -> None:
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
        if not keys:
            return
        key = rng.choice(keys)
        inner = value[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.8:
            value = inner
            continue
        what = rng.random()
        if what < 0.7:
            value[key] = deepcopy(rng.choice(NASTY))  # which a second change may change
        elif what < 0.85:
            del value[key]
        elif isinstance(value, dict):
            value[rng.choice(["", "x", "\x1b[31m", key + "_"])] = value.pop(key)
        return


def _replace(path: Path, rng: random.Random) -> None:
    path.unlink()
    what = rng.randrange(4)
    if what == 0:
        path.mkdir()
    elif what == 1:
        path.symlink_to("/etc/passwd")
    elif what == 2:
        os.mkfifo(path)


class Original:
    """A folder's files in memory; `restore` puts back what differs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = {file.name: file.read_bytes() for file in folder.iterdir()}

    def restore(self) -> None:
        for path in list(self.folder.iterdir()):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.is_symlink() or not path.is_file() or self.files.get(path.name) != path.read_bytes():
                path.unlink()
        for name, data in self.files.items():
            if not (self.folder / name).exists():
                (self.folder / name).write_bytes(data)
