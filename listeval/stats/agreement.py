"""How far two raters agree on the same texts: weighted kappa, Kendall's tau-b and mean absolute difference.

All of it follows from the table that counts how often one rater gave grade i where the other gave grade j. Texts of
one product are not independent, so intervals resample whole products (`listeval.stats.intervals`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from listeval.stats.intervals import Interval, mean_interval, statistic_interval

Floats = NDArray[np.float64]

MOST_LEVELS = 101
"""Different grades that a table may have: a scale of 0-10 in tenths. Beyond it there is no scale to agree on."""


class Agreement(NamedTuple):
    """What `agreement` gives; values are NaN where they are undefined."""

    n: int
    kappa: Interval
    """Quadratically weighted kappa."""
    kendall_tau: Interval
    """Over all pairs of texts."""
    tau_within: Interval
    """Mean over the products in which both raters tell texts apart; what a ranking within a product sees."""
    products: int
    """How many products that mean is over."""
    mae: Interval


class Ranking(NamedTuple):
    """What `against_votes` gives: the mean tau-b over `products`, and the number of texts in them."""

    n: int
    tau_within: Interval
    products: int


def agreement(a: ArrayLike, b: ArrayLike, products: Sequence[str]) -> Agreement:
    """Agreement of the grades `a` and `b` (n,) of the same texts; `products` has n labels, empty for none.

    Raises ValueError where lengths differ, or there are more than `MOST_LEVELS` different grades.
    """
    one, other = _grades(a), _grades(b)
    if not len(one) == len(other) == len(products):
        raise ValueError(f"{len(one)} and {len(other)} grades of {len(products)} texts")
    levels, place = np.unique(np.concatenate([one, other]), return_inverse=True)
    if len(levels) > MOST_LEVELS:
        raise ValueError(f"{len(levels)} different grades, at most {MOST_LEVELS} make a scale")
    taken, cell = np.unique(place[: len(one)] * len(levels) + place[len(one) :], return_inverse=True)

    def interval(statistic: Callable[[Floats], Floats]) -> Interval:
        square = lambda counts: statistic(_square(counts, taken, len(levels)))  # noqa: E731
        return statistic_interval(cell, square, products, bounds=(-1.0, 1.0))

    within = _taus(one, other, products)
    return Agreement(
        n=len(one),
        kappa=interval(partial(weighted_kappa, levels)),
        kendall_tau=interval(tau_b),
        tau_within=mean_interval(within, bounds=(-1.0, 1.0)),
        products=len(within),
        mae=mean_interval(np.abs(one - other), products, bounds=(0.0, math.inf)),
    )


def against_votes(grades: ArrayLike, votes: ArrayLike, products: Sequence[str]) -> Ranking:
    """How well `grades` (n,) rank texts as readers' `votes` (n,) do, within each product.

    Never across products: votes grow with the number of readers that a product has. A product whose votes are all
    equal says nothing and is left out; equal grades where votes differ rank nothing and count as 0.

    Raises ValueError where lengths differ.
    """
    graded, voted = _grades(grades), _grades(votes)
    if not len(graded) == len(voted) == len(products):
        raise ValueError(f"{len(graded)} grades and {len(voted)} votes of {len(products)} texts")
    telling = [rows for rows in _by_product(products) if np.ptp(voted[rows]) > 0]
    taus = [0.0 if np.ptp(graded[rows]) == 0 else _tau(graded[rows], voted[rows]) for rows in telling]
    return Ranking(sum(map(len, telling)), mean_interval(taus, bounds=(-1.0, 1.0)), len(telling))


def weighted_kappa(levels: Floats, table: Floats) -> Floats:
    """Quadratically weighted kappa (Cohen 1968) of d tables of counts, (L, L, d) -> (d,).

    A disagreement weighs the square of the difference of its two grades in `levels` (L,), so a level between them
    counts whether anybody used it or not: scikit-learn's `cohen_kappa_score` agrees where it is told all levels.
    NaN where both raters gave one and the same grade throughout.
    """
    rows, columns = table.sum(1), table.sum(0)
    weights = (levels[:, None] - levels[None, :]) ** 2
    seen = np.einsum("ij,ijd->d", weights, table)
    chance = np.einsum("ij,id,jd->d", weights, rows, columns) / table.sum((0, 1))
    kappa: Floats = np.where(chance > 0, 1 - seen / np.where(chance > 0, chance, 1.0), math.nan)
    return kappa


def tau_b(table: Floats) -> Floats:
    """Kendall's tau-b (Kendall 1945) of d tables of counts, (L, M, d), grades ascending on both axes -> (d,).

    NaN where either rater gave one grade throughout.
    """
    below = np.zeros((table.shape[0], table.shape[1] + 1, table.shape[2]))
    below[1:, 1:] = table[:-1].cumsum(0).cumsum(1)
    left, right = below[:, :-1], below[:, -1:] - below[:, 1:]
    agreement = (table * (left - right)).sum((0, 1))
    untied = [(table.sum((0, 1)) ** 2 - (table.sum(axis) ** 2).sum(0)) / 2 for axis in (1, 0)]
    pairs = np.sqrt(untied[0] * untied[1])
    tau: Floats = np.where(pairs > 0, agreement / np.where(pairs > 0, pairs, 1.0), math.nan)
    return tau


def _grades(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _square(counts: Floats, taken: NDArray[np.intp], size: int) -> Floats:
    """(size, size, draws) from the (cells, draws) that occur; `taken` numbers them row by row."""
    table = np.zeros((size * size, counts.shape[1]))
    table[taken] = counts
    return table.reshape(size, size, -1)


def _by_product(products: Sequence[str]) -> list[NDArray[np.intp]]:
    """The texts of each product with two or more; one without a product stands alone."""
    rows: dict[str, list[int]] = {}
    for row, product in enumerate(products):
        if product:
            rows.setdefault(product, []).append(row)
    return [np.array(found, dtype=np.intp) for found in rows.values() if len(found) > 1]


def _taus(one: Floats, other: Floats, products: Sequence[str]) -> list[float]:
    taus = (_tau(one[rows], other[rows]) for rows in _by_product(products))
    return [tau for tau in taus if not math.isnan(tau)]


def _tau(one: Floats, other: Floats) -> float:
    """tau-b of two rankings of the same texts, in time n log n and memory levels by levels."""
    rows, row = np.unique(one, return_inverse=True)
    columns, column = np.unique(other, return_inverse=True)
    table = np.bincount(row * len(columns) + column, minlength=len(rows) * len(columns)).astype(np.float64)
    return float(tau_b(table.reshape(len(rows), len(columns), 1))[0])
