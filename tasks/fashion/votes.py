"""From helpful votes to a helpfulness grade."""

from __future__ import annotations

from math import log2

from .review import Review

TOP_GRADE = 10.0


def grade_of_votes(votes: int) -> float:
    """Grade 0-10 of a count of helpful votes: min(10, 2 log2(1 + votes)), to one decimal.

    0, 1, 3, 7, 15, 31 votes give 0, 2, 4, 6, 8, 10. Absolute, so that a grade means the same in
    every group; each doubling counts alike, because votes grow with the time that a review was
    seen; saturating, so that one famous review does not flatten the rest.
    """
    return round(min(TOP_GRADE, 2 * log2(1 + votes)), 1)


def grade_of(review: Review) -> float:
    """The rubric's grade where there is one, else the grade of the votes."""
    return review.grade if review.grade is not None else grade_of_votes(review.votes)
