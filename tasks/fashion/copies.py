"""Merging copies: one review listed under several variants of a product is one review of one product.

A copy has the same reviewer and, but for case and white space, the same text. Products that
share a copy count as one. Where the source names no reviewer, equal text is a copy only within
its product: across products it may be two people who both wrote "Perfect".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from listeval import UserError

from .review import Review, Split
from .sets import DisjointSets

Worded = tuple[Review, str]


class Product(NamedTuple):
    """The distinct reviews of one product. `id` is the first variant's in data order.

    Reviews come in classes of rivals: a group takes at most one of a class, because they
    share an id (one reviewer, two reviews) or a wording (two reviewers, "Perfect").
    """

    id: str
    title: str | None
    split: Split | None
    rivals: list[list[Review]]

    @property
    def size(self) -> int:
        """Number of reviews."""
        return sum(map(len, self.rivals))


def wording(text: str) -> str:
    """Text without the differences that make no other text: case and white space."""
    return " ".join(text.split()).casefold()


def merge(reviews: Iterable[Review]) -> list[Product]:
    """Products in data order. A merged review keeps its first place and takes the most votes of its copies.

    Raises UserError where variants of one product are marked for different splits.
    """
    variants: DisjointSets[str] = DisjointSets()
    firsts: dict[tuple[str, str | None, str], Review] = {}
    for review in reviews:
        words = wording(review.text)
        key = (review.product if review.user is None else "", review.user, words)
        first = firsts.setdefault(key, review)
        if first is not review:
            variants.join(first.product, review.product)
            if review.votes > first.votes:
                firsts[key] = first._replace(votes=review.votes)
    products: dict[str, list[Worded]] = {}
    for (_, _, words), review in firsts.items():
        products.setdefault(variants.find(review.product), []).append((review, words))
    return [_product(members) for members in products.values()]


def _product(members: list[Worded]) -> Product:
    reviews = [review for review, _ in members]
    splits = {review.split for review in reviews if review.split is not None}
    if len(splits) > 1:
        cause = f"product '{reviews[0].product}' (with those that share a review with it) is in several splits"
        raise UserError(f"{cause}: {', '.join(sorted(splits))}", fix="mark all its rows with one split")
    title = next((review.product_title for review in reviews if review.product_title), None)
    return Product(reviews[0].product, title, next(iter(splits), None), _rivals(members))


def _rivals(members: list[Worded]) -> list[list[Review]]:
    alike: DisjointSets[tuple[str, str]] = DisjointSets()
    for review, words in members:
        alike.join(("id", review.id), ("words", words))
    classes: dict[tuple[str, str], list[Review]] = {}
    for review, _ in members:
        classes.setdefault(alike.find(("id", review.id)), []).append(review)
    return list(classes.values())
