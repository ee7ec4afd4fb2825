"""Files of a data set on the Hugging Face hub, streamed at one pinned revision; nothing is kept on disk.

Files are read as they are, not through `load_dataset`: its schema inference fails where rows
of one file differ, and data sets with a loading script need `trust_remote_code`, which
`datasets` no longer has.
"""

from __future__ import annotations

import io
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import IO, Any

from listeval.errors import UserError, first_line
from listeval.kit.files import DataFile

_BUFFER = 8 << 20


class HubDataset:
    """The data set `repository` at its newest revision.

    Raises UserError without the package or the network, here and while a file is read.
    """

    def __init__(self, repository: str) -> None:
        try:
            from huggingface_hub import HfApi, HfFileSystem
        except ImportError:
            install = "pip install 'listeval[hub]'"
            raise UserError.missing_package("huggingface_hub", install, "reading from the hub") from None
        self.repository = repository
        try:
            self._about: Any = HfApi().dataset_info(repository)
        except _network_errors() as error:
            raise _unreachable(repository, error) from None
        self._system: Any = HfFileSystem()

    def file(self, path: str) -> DataFile:
        """The file at `path` in the repository; its fingerprint hashes repository, revision and path."""
        full = f"datasets/{self.repository}@{self._about.sha}/{path}"
        return DataFile(f"hf://{full}", sha256(full.encode()).hexdigest(), lambda: self._open(full))

    def files(self, pattern: str) -> list[DataFile]:
        """The files whose path in the repository matches `pattern` (`main/test-*.parquet`), by name; at least one."""
        paths = sorted(entry.rfilename for entry in self._about.siblings or ())
        found = [self.file(path) for path in paths if fnmatchcase(path, pattern)]
        if not found:
            cause = f"no file '{pattern}' in the data set"
            raise UserError(cause, place=self.repository, fix="give --data a downloaded file or folder")
        return found

    def _open(self, path: str) -> io.BufferedReader:
        try:
            return io.BufferedReader(_Remote(self._system.open(path, "rb")), _BUFFER)
        except _network_errors() as error:
            raise _unreachable(self.repository, error) from None


class _Remote(io.RawIOBase):
    """A remote file as a raw stream: the hub's own seeks back after every line that it reads.

    What the network layer raises becomes OSError, which readers expect of any file.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read(len(buffer))
        except _network_errors() as error:
            raise OSError(first_line(error)) from error
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _network_errors() -> tuple[type[Exception], ...]:
    """What the hub's client lets through; its HTTP library's errors are no OSError."""
    import httpx

    return OSError, ValueError, httpx.HTTPError


def _unreachable(repository: str, error: Exception) -> UserError:
    fix = "check the network (and HF_HUB_OFFLINE), or give --data a downloaded file"
    return UserError(f"the hub cannot be read: {first_line(error)}", place=repository, fix=fix)
