"""Files of a data set on the Hugging Face hub: fetched once into the hub's own cache, all at one pinned revision.

`huggingface_hub` keeps them (`$HF_HOME`), so another seed, run or process finds them there, also without a network
(`HF_HUB_OFFLINE=1`). Files are read as they are: data sets with a loading script need `trust_remote_code`, which
`datasets` no longer has, and its schema inference fails where rows of one file differ.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path

from listeval.errors import UserError, first_line
from listeval.kit.files import DataFile

_SHARD = re.compile(r"(.+)-\d{5}-of-(\d{5})(\.[\w.]+)")
"""Name of one of several parts: `main/test-00000-of-00002.parquet`."""


class HubDataset:
    """The data set `repository` at its newest revision, or, where the hub cannot be asked, the newest one in the cache.

    Raises UserError without the package.
    """

    def __init__(self, repository: str) -> None:
        try:
            import huggingface_hub  # noqa: F401
        except ImportError:
            install = "pip install 'listeval[hub]'"
            raise UserError.missing_package("huggingface_hub", install, "reading from the hub") from None
        self.repository = repository
        self._revision: str | None = None

    def file(self, path: str) -> DataFile:
        """The file at `path` in the repository; its fingerprint hashes repository, revision and path.

        Raises UserError as `files` does.
        """
        return self.files(path)[0]

    def files(self, *patterns: str) -> list[DataFile]:
        """The files whose path in the repository matches one of `patterns` (`main/test-*.parquet`), by name.

        Raises UserError where there is none, where the hub cannot be read, and, offline, for a file that is not in
        the cache.
        """
        folder = self._fetch(list(patterns))
        paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        found = [path for path in paths if _matches(path, patterns)]
        if not found:
            wanted = " or ".join(f"'{pattern}'" for pattern in patterns)
            cause = f"no file {wanted} in the data set"
            raise UserError(cause, place=self.repository, fix="give --data a downloaded file or folder")
        self._check_shards(found, patterns)
        return [self._file(folder, path) for path in found]

    def _check_shards(self, found: list[str], patterns: Sequence[str]) -> None:
        """A cache that was filled by hand may lack a part of what is asked for, and offline nobody says so."""
        shards = [shard for path in found if (shard := _SHARD.fullmatch(path))]
        wanted = {f"{s[1]}-{n:05d}-of-{s[2]}{s[3]}" for s in shards for n in range(int(s[2]))}
        missing = [path for path in sorted(wanted - set(found)) if _matches(path, patterns)]
        if missing:
            fix = "fetch the others: unset HF_HUB_OFFLINE and run again"
            raise UserError(f"the cache has no '{missing[0]}'", place=self.repository, fix=fix)

    def _file(self, folder: Path, path: str) -> DataFile:
        full = f"datasets/{self.repository}@{folder.name}/{path}"
        return DataFile(f"hf://{full}", sha256(full.encode()).hexdigest(), lambda: (folder / path).open("rb"))

    def _fetch(self, patterns: list[str]) -> Path:
        """The folder of the cache with the wanted files in it; its name is the revision, which the first call pins."""
        import httpx
        from huggingface_hub import snapshot_download

        try:
            folder = Path(
                snapshot_download(
                    self.repository, repo_type="dataset", revision=self._revision, allow_patterns=patterns
                )
            )
        except (OSError, ValueError, httpx.HTTPError) as error:  # what the hub's client lets through
            fix = "check the network and the disk (HF_HOME, HF_HUB_OFFLINE), or give --data a downloaded file"
            raise UserError(f"the hub cannot be read: {first_line(error)}", place=self.repository, fix=fix) from None
        self._revision = folder.name
        return folder


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)
