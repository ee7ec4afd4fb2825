"""Lists of K judged passages of one query, dealt reproducibly so that each can be ranked right or wrong."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from .passages import RELEVANT, Passage, Query


class PassageList(NamedTuple):
    """K passages in prompt order; `id` names query, seed and place."""

    id: str
    query: Query
    passages: tuple[Passage, ...]


def capacity(query: Query, k: int) -> int:
    """The most disjoint lists of `k` judged passages that each hold a relevant and an irrelevant one."""
    graded = query.graded
    return min(len(graded) // k, len(_relevant(graded)), len(_irrelevant(graded)))


def deal(query: Query, k: int, seed: int) -> list[PassageList]:
    """As many lists as `capacity` allows, the same for the same (query, k, seed) on any machine.

    Each list is dealt one passage of grade 2 or 3, one of grade 0, and k - 2 of all the others
    whatever their grade; then it is shuffled, so that places say nothing.
    """
    graded, count = query.graded, capacity(query, k)
    # Seeding with text hashes it with SHA-512, unlike hash(), which differs from process to process.
    rng = Random(f"{seed}/{query.qid}")
    relevant, irrelevant = rng.sample(_relevant(graded), count), rng.sample(_irrelevant(graded), count)
    taken = {passage.docid for passage in (*relevant, *irrelevant)}
    others = rng.sample([passage for passage in graded if passage.docid not in taken], count * (k - 2))
    lists = []
    for n in range(count):
        hand = [relevant[n], irrelevant[n], *others[n::count]]
        lists.append(PassageList(f"{query.qid}-{seed}-{n}", query, tuple(rng.sample(hand, k))))
    return lists


def _relevant(graded: Sequence[Passage]) -> list[Passage]:
    return [passage for passage in graded if passage.grade is not None and passage.grade >= RELEVANT]


def _irrelevant(graded: Sequence[Passage]) -> list[Passage]:
    return [passage for passage in graded if passage.grade == 0]
