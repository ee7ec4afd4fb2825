"""Files of a data set, and their rows: JSON lines, one JSON array, or Parquet; plain or gzip; told apart by content.

What a task reads comes from here or from `listeval.kit.hub`, so that every task says the same
about a wrong path, a damaged file and a row that is not JSON, naming file and line.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from listeval.errors import UserError
from listeval.kit.parquet import MAGIC, ParquetRow, parquet_rows, why_no_json

BOM = codecs.BOM_UTF8
_GZIP, _LINE_FEED = b"\x1f\x8b", b"\n"
_ONE_A_LINE = "write one JSON object a line"

JsonRow = dict[str, Any]


class DataFile(NamedTuple):
    """One file of a data set, local or on the hub.

    `name` is its path or address for messages, `raw` its bytes anew each time. `fingerprint`
    changes whenever they do: the SHA-256 of a local file's bytes, or of a pinned address.
    """

    name: str
    fingerprint: str
    raw: Callable[[], io.BufferedReader]

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The bytes from the start, unpacked. What stops reading within the block becomes a UserError."""
        try:
            with ExitStack() as closing:
                yield _unpacked(self, closing)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            cause = f"the gzip file is damaged: {error}"
            raise UserError(cause, place=self.name, fix="fetch it again, or check it with `gzip -t`") from None
        except OSError as error:
            cause = f"reading stopped: {error.strerror or error}"
            raise UserError(cause, place=self.name, fix="check the disk or the network and run again") from None


def local_file(path: Path, ends: Sequence[str] = (), *, option: str = "--data") -> DataFile:
    """The file at `path`; of a folder, the one file in it with one of these `ends` (or that and `.gz`).

    `option` is what the user named it with, for messages: a task's own option is `--set NAME`. Raises UserError where
    there is none, more than one, or no permission.
    """
    try:
        file = _only_file(path, ends, option) if ends and path.is_dir() else path
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise UserError("no such file or folder", place=str(path), fix=f"give {option} an existing path") from None
    except IsADirectoryError:
        raise UserError("cannot be read: Is a directory", place=str(path), fix=f"name a file in {option}") from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", place=str(path), fix="check its permissions") from None
    return DataFile(str(file), digest, lambda: file.open("rb"))


def member(path: Path, name: str) -> DataFile:
    """The file at `path`; of a folder, the file `name` in it, or `name`.gz where that is what there is.

    Raises UserError as `local_file` does.
    """
    try:
        if path.is_dir():
            path /= name if (path / name).exists() or not (path / f"{name}.gz").exists() else f"{name}.gz"
    except OSError:
        pass  # opening it says why
    return local_file(path)


def fingerprint(files: Sequence[DataFile]) -> str:
    """One fingerprint of several files, in their order."""
    if len(files) == 1:
        return files[0].fingerprint
    return hashlib.sha256("\n".join([file.fingerprint for file in files]).encode()).hexdigest()


def rows(file: DataFile) -> Iterator[tuple[str, JsonRow]]:
    """Every object of the file in order, with its place for messages: `file:line`, or `file[index]` of an array.

    Raises UserError for an empty file and, with the place, for the first row that is no JSON object.
    """
    with file.open() as stream:
        yield from rows_from(*opening(stream, file.name), stream, file.name)


def opening(stream: IO[bytes], name: str) -> tuple[int, bytes]:
    """Number and bytes of the first line that is not blank, without a byte order mark.

    Raises UserError for an empty file.
    """
    for line, raw in enumerate(stream, 1):
        first = raw.removeprefix(BOM)
        if first.strip():
            return line, first
    raise empty(name)


def is_json_or_parquet(first: bytes) -> bool:
    """Whether a file whose first line this is holds what `rows` reads, rather than a table in text."""
    return first.startswith(MAGIC) or first.lstrip()[:1] in (b"{", b"[")


def text_lines(file: DataFile) -> Iterator[tuple[str, str]]:
    """Every line that is not blank, with its place `file:line`.

    Raises UserError for an empty file and, with the place, for a line that is not UTF-8.
    """
    found = False
    with file.open() as stream:
        for number, raw in enumerate(stream, 1):
            place = f"{file.name}:{number}"
            try:
                line = raw.removeprefix(BOM).decode()
            except UnicodeDecodeError as error:
                raise not_utf8(error, place) from None
            if line.strip():
                found = True
                yield place, line
    if not found:
        raise empty(file.name)


def json_object(raw: bytes, name: str, line: int) -> JsonRow:
    """The object on one line of the file `name`. Raises UserError with the place where there is none."""
    # With its line end, a torn object would be said to end on the next line. A mark may stand where files were joined.
    return _object(_json(raw.removeprefix(BOM).rstrip(), name, line), f"{name}:{line}")


def text_field(row: Mapping[str, Any], name: str, place: str, fix: str) -> str:
    """The text in a field, line ends as `\\n`. Raises UserError, with `place` and `fix`, where there is none."""
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"no text in the field '{name}'", place=place, fix=fix)
    return value.replace("\r\n", "\n")


def json_field(row: Mapping[str, Any], name: str, place: str, fix: str) -> Any:
    """The JSON value in a field that a task passes on as it is, None where there is none.

    Raises UserError, with `place` and `fix`, for what only Parquet has: dates, decimals, bytes, and structs with a
    null, which does not say whether it was written or stands for a field that other rows have.
    """
    value = row.get(name)
    if isinstance(row, ParquetRow) and (fault := why_no_json(value)):
        raise UserError(f"the field '{name}' {fault}", place=place, fix=fix)
    return value


def write_rows(rows: Iterable[Mapping[str, Any]], stream: IO[bytes]) -> None:
    """One JSON object a line, as `rows` reads them."""
    for row in rows:
        stream.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


def empty(name: str) -> UserError:
    """A file without any row."""
    return UserError("the data is empty", place=name, fix="give a file with rows in it")


def not_utf8(error: UnicodeDecodeError, place: str) -> UserError:
    """A file in another encoding."""
    return UserError(f"not UTF-8: {error.reason}", place=place, fix="convert the file to UTF-8")


def _only_file(folder: Path, ends: Sequence[str], option: str) -> Path:
    found = sorted(f for f in folder.iterdir() if f.name.removesuffix(".gz").endswith(tuple(ends)) and f.is_file())
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f.name for f in found[:6]) + (", ..." if len(found) > 6 else "")
        raise UserError(f"{len(found)} data files: {names}", place=str(folder), fix=f"name one of them in {option}")
    fix = f"a data file ends in {', '.join(ends)}, with or without .gz after it"
    raise UserError("no data file", place=str(folder), fix=fix)


def _unpacked(file: DataFile, closing: ExitStack) -> IO[bytes]:
    stream = closing.enter_context(file.raw())
    if stream.peek(2)[:2] == _GZIP or file.name.endswith(".gz"):
        packed = closing.enter_context(gzip.GzipFile(fileobj=stream))
        # GzipFile reads line by line slowly; a large buffer over it makes that a memory copy.
        stream = closing.enter_context(io.BufferedReader(cast(Any, packed), 1 << 20))
    if stream.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        fix = "convert the file to UTF-8, for instance with `iconv -f UTF-16 -t UTF-8`"
        raise UserError("not UTF-8: its byte order mark is that of UTF-16", place=file.name, fix=fix)
    return stream


def rows_from(line: int, first: bytes, rest: IO[bytes], name: str) -> Iterator[tuple[str, JsonRow]]:
    """As `rows`, from the first line that is not blank, which is number `line`, and the stream after it."""
    if first.startswith(MAGIC):
        yield from _items(parquet_rows(first, rest, name), name)
    elif first.lstrip().startswith(b"["):
        yield from _items(_json(first + rest.read(), name, line), name)
    else:
        for number, raw in enumerate(chain([first], rest), line):
            if raw.strip() not in (b"", BOM):
                yield f"{name}:{number}", json_object(raw, name, number)


def _items(items: Iterable[Any], name: str) -> Iterator[tuple[str, JsonRow]]:
    index = -1
    for index, item in enumerate(items):
        yield f"{name}[{index}]", _object(item, f"{name}[{index}]")
    if index < 0:
        raise empty(name)


def _object(value: Any, place: str) -> JsonRow:
    if not isinstance(value, dict):
        raise UserError(f"a JSON {type(value).__name__}, not an object", place=place, fix=_ONE_A_LINE)
    return cast(JsonRow, value)


def _json(raw: bytes, name: str, line: int) -> Any:
    """The JSON value that begins on this line."""
    try:
        value = json.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise not_utf8(error, f"{name}:{line + raw[: error.start].count(_LINE_FEED)}") from None
    except json.JSONDecodeError as error:
        raise UserError(f"not JSON: {error.msg}", place=f"{name}:{line + error.lineno - 1}", fix=_ONE_A_LINE) from None
    except (ValueError, RecursionError):
        cause = "not JSON: nested too deeply, or a number too long"
        raise UserError(cause, place=f"{name}:{line}", fix=_ONE_A_LINE) from None
    return _encodable(value) if b"\\ud" in raw or b"\\uD" in raw else value


def _encodable(value: Any) -> Any:
    """JSON can spell half a surrogate pair, which no tokenizer and no file takes; `?` stands for it."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    return value
