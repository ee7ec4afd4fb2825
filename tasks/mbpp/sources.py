"""Where problems come from: the two files of MBPP, a file of one's own in either form, the hub, the sample."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from listeval.errors import UserError
from listeval.kit.files import DataFile, local_file, member, rows
from listeval.kit.hub import HubDataset

from .problems import Problem, Split, Variant, problem, variant_of

HUB = "google-research-datasets/mbpp"
_SAMPLE = Path(__file__).with_name("sample.jsonl")
_FILES: dict[Variant, str] = {"full": "mbpp.jsonl", "sanitized": "sanitized-mbpp.json"}


class Collection(NamedTuple):
    """All problems that were read, in the order of the data; `name` is what reports call it."""

    problems: list[Problem]
    files: list[DataFile]
    name: str

    def part(self, split: Split) -> list[Problem]:
        """The problems of one split."""
        return [problem for problem in self.problems if problem.split == split]


def read(data: str | None, variant: Variant | None, splits: Sequence[Split]) -> Collection:
    """The problems of `data`: a file, a folder with MBPP's files, `hub` (only those `splits`), None for the sample.

    Raises UserError, with place and task, for what cannot be read or run, and for a task_id that comes twice.
    """
    files, name = _files(data, variant, splits)
    seen: dict[int, str] = {}
    problems: list[Problem] = []
    for place, row in chain.from_iterable(rows(file) for file in files):
        found = variant_of(row, place)
        if variant and found != variant:
            raise UserError(f"a row of the {found} set", place=place, fix=f"leave out --set variant={variant}")
        with warnings.catch_warnings():
            # MBPP's solutions hold invalid escapes, which every reader of their source warns of.
            warnings.simplefilter("ignore")
            one = problem(row, place)
        if one.id in seen:
            raise UserError(f"task {one.id} is also at {seen[one.id]}", place=place, fix="keep one of them")
        seen[one.id] = place
        problems.append(one)
    return Collection(problems, files, name)


def _files(data: str | None, variant: Variant | None, splits: Sequence[Split]) -> tuple[list[DataFile], str]:
    if data is None:
        return [local_file(_SAMPLE)], "generated sample"
    if data == "hub":
        hub, asked = HubDataset(HUB), variant or "full"
        return [file for split in splits for file in hub.files(f"{asked}/{split}-*.parquet")], f"{HUB} {asked}"
    path = Path(data)
    file = member(path, _FILES[variant or "full"])
    return [file], path.name if file.name == str(path) else f"{path.resolve().name} {variant or 'full'}"
