"""Amazon-Reviews-2023 streamed from the Hugging Face hub, pinned to one revision.

The hub's files are JSON lines. They are read as lines here, not through `load_dataset("json")`:
its schema inference fails where a product's `details` differ from those before them, and the
data set's own loading script needs `trust_remote_code`, which `datasets` no longer has.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import IO, Any, NamedTuple, cast

from listeval.errors import UserError, first_line

from .sources import Source

_REPOSITORY = "McAuley-Lab/Amazon-Reviews-2023"
_BUFFER = 8 << 20


class Category(NamedTuple):
    """A category of Amazon-Reviews-2023 (Hou et al., arXiv 2403.03952), such as `Baby_Products`."""

    name: str

    @property
    def reviews(self) -> str:
        """Path of the reviews in the repository."""
        return f"raw/review_categories/{self.name}.jsonl"

    @property
    def products(self) -> str:
        """Path of the product descriptions in the repository."""
        return f"raw/meta_categories/meta_{self.name}.jsonl"


def stream(category: Category) -> Source:
    """The category at the hub's newest revision; nothing is kept on disk.

    The fingerprint hashes repository, revision and path. Raises UserError without the package or the network.
    """
    try:
        from huggingface_hub import HfApi, HfFileSystem
    except ImportError:
        install = "pip install 'listeval[hub]'"
        raise UserError.missing_package("huggingface_hub", install, "reading from the hub") from None
    try:
        revision = HfApi().dataset_info(_REPOSITORY).sha
    except _network_errors() as error:
        raise _unreachable(error) from None
    root = f"datasets/{_REPOSITORY}@{revision}"
    files = HfFileSystem()

    def titles(products: Collection[str]) -> Mapping[str, str]:
        with _open(files, f"{root}/{category.products}") as lines:
            return titles_among(lines, products)

    path = f"{root}/{category.reviews}"
    return Source(f"hf://{path}", sha256(path.encode()).hexdigest(), lambda: _open(files, path), titles)


def titles_among(lines: IO[bytes], products: Collection[str]) -> dict[str, str]:
    """Titles of `products` by id from the hub's product descriptions, reading no further than needed."""
    wanted, found = set(products), dict[str, str]()
    for line in lines:
        if len(found) == len(wanted):
            break
        row = json.loads(line)
        if row["parent_asin"] in wanted and row.get("title"):
            found[row["parent_asin"]] = row["title"]
    return found


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


def _open(files: Any, path: str) -> IO[bytes]:
    try:
        return cast(IO[bytes], io.BufferedReader(_Remote(files.open(path, "rb")), _BUFFER))
    except _network_errors() as error:
        raise _unreachable(error) from None


def _network_errors() -> tuple[type[Exception], ...]:
    """What the hub's client lets through; its HTTP library's errors are no OSError."""
    import httpx

    return OSError, ValueError, httpx.HTTPError


def _unreachable(error: Exception) -> UserError:
    fix = "check the network (and HF_HUB_OFFLINE), or give --data a downloaded file"
    return UserError(f"the hub cannot be read: {first_line(error)}", place=_REPOSITORY, fix=fix)
