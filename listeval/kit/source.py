"""What `--data` names for a task whose rows have one shape: a file, a folder, the hub, or nothing for the sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from listeval.errors import UserError
from listeval.kit.cells import is_missing_id
from listeval.kit.files import DataFile, JsonRow, fingerprint, local_file, member, rows
from listeval.kit.hub import HubDataset


class Source(NamedTuple):
    """The files with the wanted part of a data set, at least one, and what reports call that part."""

    files: Sequence[DataFile]
    name: str

    @property
    def place(self) -> str:
        """The first file's path or address."""
        return self.files[0].name

    @property
    def fingerprint(self) -> str:
        """Changes whenever the bytes do."""
        return fingerprint(self.files)

    def rows(self) -> Iterator[tuple[str, JsonRow]]:
        """Every row of the files in order, with its place for messages. Raises UserError as `rows` does."""
        return chain.from_iterable(map(rows, self.files))


def find_source(
    data: str | None, *, sample: Path, file: str, hub: str, hub_files: Sequence[str], part: str = ""
) -> Source:
    """Where the rows are: in `sample` without `data`, else in a file, in the one called `file` of a folder, or, where
    `data` is "hub", in those of the hub's data set `hub` that match the patterns `hub_files`, in their order.

    `part` names what of a folder or of the hub is read, for reports. Raises UserError where there is no such file.
    """
    if data is None:
        return Source([local_file(sample)], "generated sample")
    if data == "hub":
        dataset = HubDataset(hub)
        found = list(chain.from_iterable(dataset.files(pattern) for pattern in hub_files))
        return Source(found, f"{hub} {part}".rstrip())
    path = Path(data)
    one = member(path, file)
    return Source([one], path.name if one.name == str(path) else f"{path.resolve().name} {part}".rstrip())


def own_split(row: JsonRow, other: str, known: Sequence[str], place: str) -> str:
    """The split that a row says it is of, `other` where it says none. Raises UserError for one that is not `known`."""
    if is_missing_id(row.get("split")):
        return other
    if row["split"] not in known:
        raise UserError(f"split {row['split']!r} is none of {', '.join(known)}", place=place, fix="correct the row")
    return str(row["split"])
