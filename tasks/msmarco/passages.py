"""Queries, their passages, and what people and first stages said about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

TOP_GRADE = 3
"""TREC-DL grades: 3 perfectly relevant, 2 highly relevant, 1 related, 0 irrelevant."""

RELEVANT = 2
"""The lowest grade that binary measures of TREC-DL count as relevant."""


class Passage(NamedTuple):
    """A passage of one query; `grade` is None where no human judged it."""

    docid: str
    text: str
    grade: int | None


class Query(NamedTuple):
    """A query with every passage whose text is known, in the order of its source."""

    qid: str
    text: str
    split: str
    """`dl19`, `dl20`, or what the data says; empty where nothing says it."""
    passages: Mapping[str, Passage]
    runs: Mapping[str, Sequence[str]]
    """First-stage lists by the name of the run: docids, best first."""
    judged: Mapping[int, int]
    """How many passages the humans gave each grade, those without text included."""

    @property
    def graded(self) -> list[Passage]:
        """The judged passages, one of each wording.

        A copy under another docid would be asked for twice in one list, and at times with another grade.
        """
        wordings: dict[str, Passage] = {}
        for passage in self.passages.values():
            if passage.grade is not None:
                wordings.setdefault(passage.text.casefold(), passage)
        return list(wordings.values())
