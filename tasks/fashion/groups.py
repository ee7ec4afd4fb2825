"""Dealing a product's reviews into disjoint groups of K, reproducibly."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from .copies import Product
from .review import Review
from .votes import grade_of


class Group(NamedTuple):
    """K reviews of one product, in prompt order; `id` names product, seed and place."""

    id: str
    product: str
    reviews: tuple[Review, ...]

    @property
    def grades(self) -> dict[str, float]:
        """Grade by review id, in prompt order."""
        return {review.id: grade_of(review) for review in self.reviews}

    @property
    def has_signal(self) -> bool:
        """Whether the grades differ, so that one order is better than another."""
        return len(set(self.grades.values())) > 1


def capacity(rivals: Sequence[Sequence[Review]], k: int) -> int:
    """The most disjoint groups of `k` that take no two rivals together.

    g groups need k*g reviews, of which a class of c rivals can give min(c, g): the largest g
    that satisfies this is reached from above, and dealing round-robin attains it.
    """
    groups = sum(map(len, rivals)) // k
    while (fit := sum(min(len(c), groups) for c in rivals) // k) < groups:
        groups = fit
    return groups


def deal(product: Product, k: int, seed: int) -> list[Group]:
    """As many groups as `capacity` allows, the same for the same (product, k, seed) on any machine."""
    count = capacity(product.rivals, k)
    if count == 0:
        return []
    # Seeding with text hashes it with SHA-512, unlike hash(), which differs from process to process.
    rng = Random(f"{seed}/{product.id}")
    row: list[Review] = []
    for rivals in rng.sample(product.rivals, len(product.rivals)):
        row += rng.sample(rivals, min(len(rivals), count))
    # Rivals stand side by side, at most `count` of them, so that each falls into another group.
    hands = [row[at : count * k : count] for at in range(count)]
    return [Group(f"{product.id}-{seed}-{n}", product.id, tuple(hand)) for n, hand in enumerate(hands)]
