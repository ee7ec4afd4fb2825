"""Reviews as pieces for a judge, and a judge's labels in place of votes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from listeval import Piece, UserError, read_labels

from .copies import Product
from .review import Review

Titles = Mapping[str, str | None]


class Labelled(NamedTuple):
    """Products whose reviews all carry a judge's grade. `used` hashes the grades that were taken over."""

    products: list[Product]
    used: str


def pieces(products: Sequence[Product], titles: Titles) -> list[Piece]:
    """Every distinct text under its product's title, in data order; of equal ones the first, with the most votes."""
    found: dict[str, Piece] = {}
    for product in products:
        for rivals in product.rivals:
            for review in rivals:
                piece = _piece(review, product, titles)
                first = found.setdefault(piece.key, piece)
                if review.votes > (first.votes or 0):
                    found[piece.key] = first._replace(votes=review.votes)
    return list(found.values())


def relabel(products: Sequence[Product], titles: Titles, labels: str, scale: tuple[float, float]) -> Labelled:
    """The products with the grades of the label file `labels`; reviews without a label are left out.

    Raises UserError where no label is of a review of this data, or a grade is beyond `scale`.
    """
    grades = _grades(labels, scale)
    digest, kept = sha256(), list[Product]()
    for product in products:
        rivals = [[r for r in (_graded(review, product, titles, grades) for review in c) if r] for c in product.rivals]
        if left := [reviews for reviews in rivals if reviews]:
            kept.append(product._replace(rivals=left))
            digest.update(repr([(r.id, r.grade) for reviews in left for r in reviews]).encode())
    if not kept:
        fix = "give the data that was labelled, or label this data"
        raise UserError("no label is of a review of this data", place=labels, fix=fix)
    return Labelled(kept, digest.hexdigest())


def _grades(labels: str, scale: tuple[float, float]) -> dict[str, float]:
    grades = {key: label.grade for key, label in read_labels(Path(labels)).items()}
    beyond = next((grade for grade in grades.values() if not scale[0] <= grade <= scale[1]), None)
    if beyond is not None:
        cause = f"a label has the grade {beyond:g}, which is beyond {scale[0]:g}-{scale[1]:g}"
        raise UserError(cause, place=labels, fix="use labels of a rubric on that scale")
    return grades


def _graded(review: Review, product: Product, titles: Titles, grades: Mapping[str, float]) -> Review | None:
    grade = grades.get(_piece(review, product, titles).key)
    return None if grade is None else review._replace(grade=grade)


def _piece(review: Review, product: Product, titles: Titles) -> Piece:
    title = (titles.get(product.id) or "").strip()
    return Piece(review.body, title, product.id, review.id, review.votes)
