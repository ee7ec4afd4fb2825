"""Overlapping windows over a first-stage list, and one final list from what a model scored in them.

List rerankers that answer with a permutation (RankGPT, arXiv 2304.09542) slide from the end to
the front and ask each window about what the one before it left, so a window waits for the
next. Here an answer gives absolute scores, so windows are fixed, asked in any order, and
meet afterwards: a passage's score is the mean over its windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from .passages import Passage, Query

_ROOM = 2.0**64
"""More than the windows that a passage stands in, so that no sum of so many times smaller scores is beyond a float."""


class Window(NamedTuple):
    """Places `first`.. (from 1) of a query's first-stage list, in its order; one of `of` windows."""

    id: str
    query: Query
    passages: tuple[Passage, ...]
    first: int
    of: int


def starts(length: int, k: int, stride: int) -> list[int]:
    """Where windows of `k` begin (from 0): every `stride` places, the last flush with the end.

    None where there is nothing to rank (below two places); one window, shorter than `k`, of a list shorter than that.
    """
    if length < 2:
        return []
    last = max(0, length - k)
    return [*range(0, last, stride), last]


def windows(query: Query, run: str, depth: int, k: int, stride: int) -> list[Window]:
    """Windows over the first `depth` places of the query's list in `run`, front to back."""
    ranking = [query.passages[docid] for docid in query.runs.get(run, ())[:depth]]
    found = starts(len(ranking), k, stride)
    return [
        Window(f"{query.qid}-{run}-{at + 1}", query, tuple(ranking[at : at + k]), at + 1, len(found)) for at in found
    ]


def merged(first_stage: Sequence[str], scores: Mapping[str, Sequence[float]]) -> list[str]:
    """The final list: docids, best first.

    Passages with scores are ordered by their mean, ties by first-stage place. A passage without
    one (each of its windows broke its contract) keeps its first-stage place, as it does in a
    permutation reranker whose window fails, and the others fill the places around it.
    """
    means = {docid: _mean(scores[docid]) for docid in first_stage if scores.get(docid)}
    ordered = iter(sorted(means, key=lambda docid: -means[docid]))
    return [next(ordered) if docid in means else docid for docid in first_stage]


def _mean(scores: Sequence[float]) -> float:
    try:
        return fmean(scores)
    except OverflowError:
        # A power of two rounds nothing: this is the mean that a larger float would give.
        return fmean(score / _ROOM for score in scores) * _ROOM
