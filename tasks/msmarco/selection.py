"""Which queries are asked and which of their lists become examples; all else is counted."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from listeval import UserError, did_you_mean

from .lists import PassageList, capacity, deal
from .passages import Query
from .windows import Window, windows

ALL, TRAIN = "all", "train"


class Selection(NamedTuple):
    """Lists in evaluation order. Queries of `counts`: unjudged + other_splits + without_list + asked."""

    kept: Sequence[PassageList | Window]
    counts: dict[str, int]


def wanted(queries: Sequence[Query], split: str, source: str) -> list[Query]:
    """Queries of a split, or all but the training ones. Raises UserError where there are none."""
    found = [query for query in queries if query.split == split or (split == ALL and query.split != TRAIN)]
    if found:
        return found
    known = sorted({query.split for query in queries} - {""})
    fix = did_you_mean(split, [*known, ALL]) if known else f"--set split={ALL}"
    raise UserError(f"no query of the split '{split}'", place=source, fix=fix)


def sampled(queries: Sequence[Query], *, k: int, cap: int, seed: int, source: str) -> Selection:
    """Lists of `k` judged passages, at most `cap` of one query (0: all), shuffled across queries.

    `lists` of the counts is capped + kept. Raises UserError where no query has such a list.
    """
    dealt = [deal(query, k, seed) for query in queries]
    kept = [item for lists in dealt for item in lists[: cap or None]]
    if not kept:
        raise _too_few(queries, k, source)
    Random(f"{seed}").shuffle(kept)
    asked, total = sum(map(bool, dealt)), sum(map(len, dealt))
    counts = {"without_list": len(dealt) - asked, "asked": asked}
    return Selection(kept, counts | {"lists": total, "capped": total - len(kept), "kept": len(kept)})


def reranked(
    queries: Sequence[Query], run: str, *, depth: int, k: int, stride: int, seed: int, source: str
) -> Selection:
    """All windows of each query's first-stage list, query by query, queries shuffled.

    Raises UserError where no query has a list of two passages in this run.
    """
    cut = [found for query in queries if (found := windows(query, run, depth, k, stride))]
    if not cut:
        runs = sorted({name for query in queries for name in query.runs})
        cause = f"no first-stage list '{run}' of two passages or more"
        raise UserError(cause, place=source, fix=did_you_mean(run, runs))
    Random(f"{seed}").shuffle(cut)
    kept = [window for found in cut for window in found]
    counts = {"without_list": len(queries) - len(cut), "asked": len(cut)}
    return Selection(kept, counts | {"windows": len(kept)})


def pool(queries: Sequence[Query], k: int, seed: int) -> list[PassageList]:
    """Lists for worked examples: those of the training split first, else shuffled across queries."""
    dealt = [item for query in queries for item in deal(query, k, seed)]
    Random(f"{seed}").shuffle(dealt)
    return sorted(dealt, key=lambda item: item.query.split != TRAIN)


def _too_few(queries: Sequence[Query], k: int, source: str) -> UserError:
    largest = max(len(query.graded) for query in queries)
    if largest < k:
        cause = f"no query has {k} judged passages with text; the most are {largest}"
        return UserError(cause, place=source, fix=f"--set k={largest}" if largest > 1 else "give more judged passages")
    if any(capacity(query, 2) for query in queries):
        cause, fix = f"no query with {k} judged passages has relevant and irrelevant ones", "lower --set k"
    else:
        cause, fix = "no query has both a relevant passage (grade 2 or 3) and an irrelevant one (0)", "give more grades"
    return UserError(cause, place=source, fix=fix)
