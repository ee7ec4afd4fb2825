"""Where problems come from: the two files of MBPP, a file of one's own in either form, the hub, the sample."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from listeval import DataFile, UserError, find_source

from .problems import Problem, Split, Variant, problem, variant_of

HUB = "google-research-datasets/mbpp"
_FILES: dict[Variant, str] = {"full": "mbpp.jsonl", "sanitized": "sanitized-mbpp.json"}


class Collection(NamedTuple):
    """All problems that were read, in the order of the data; `name` is what reports call it."""

    problems: list[Problem]
    files: Sequence[DataFile]
    name: str

    def part(self, split: Split) -> list[Problem]:
        """The problems of one split."""
        return [problem for problem in self.problems if problem.split == split]


def read(data: str | None, variant: Variant | None, splits: Sequence[Split]) -> Collection:
    """The problems of `data`: a file, a folder with MBPP's files, `hub` (only those `splits`), None for the sample.

    Raises UserError, with place and task, for what cannot be read or run, and for a task_id that comes twice.
    """
    asked = variant or "full"
    hub_files, sample = [f"{asked}/{split}-*.parquet" for split in splits], Path(__file__).with_name("sample.jsonl")
    source = find_source(data, sample=sample, file=_FILES[asked], hub=HUB, hub_files=hub_files, part=asked)
    seen: dict[int, str] = {}
    problems: list[Problem] = []
    for place, row in source.rows():
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
    return Collection(problems, source.files, source.name)
