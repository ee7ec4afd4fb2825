"""Ranking metrics over groups: NDCG@k, Kendall's tau-b and mean absolute error, without any luck of the order.

`grades` and `scores` are (n, K): n groups of K items. A NaN grade is an empty slot (padding of a shorter group).
A NaN score beside a grade is an item that the answer lacks: it ranks below every scored item, tied with the others
that are lacking, and MAE leaves it out.

Items with equal scores have no order, so each metric takes its mean over all orders of the tied items (McSherry &
Najork, ECIR 2008). Everything comes from one comparison of all pairs: O(K^2) time a group, and memory bounded by
taking the groups in blocks (one group of K items needs some K^2 bytes: 1 MB at K = 1,000).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Metric = Callable[[Floats, Floats], tuple[Floats, ...]]

# Comparisons held at a time: few enough to stay in a core's cache, enough to hide numpy's cost of a call.
_BLOCK = 1 << 17
_sum = np.add.reduce
# Errors are added as so many times smaller ones: a power of two rounds nothing, and the largest floats fit a sum.
_ROOM = 2.0**64


class Listwise(NamedTuple):
    """What `listwise` gives. NaN where a metric is undefined for a group."""

    ndcg: Floats
    """(len(cutoffs), n)"""
    kendall_tau: Floats
    """(n,)"""
    mae: Floats
    """(n,)"""


def listwise(
    grades: ArrayLike, scores: ArrayLike, cutoffs: tuple[int, ...], scale: tuple[float, float] | None = None
) -> Listwise:
    """NDCG at every cutoff, tau-b and MAE of (n, K) groups, from one comparison of all pairs.

    For MAE a score beyond the `scale` of the grades counts as its nearest end, so that no answer of 1e300 outweighs
    all others; ranks take scores as they are.
    Raises ValueError where the shapes differ or are not (n, K), or a cutoff is below 1.
    """

    def block(g: Floats, s: Floats) -> tuple[Floats, ...]:
        better = _better(g, s)
        return _ndcg(g, better, cutoffs), _tau(g, better), _mae(g, s if scale is None else np.clip(s, *scale))

    return Listwise(*_by_blocks(block, grades, scores))


def ndcg(grades: ArrayLike, scores: ArrayLike, k: int) -> Floats:
    """NDCG@k of (n, K) groups -> (n,): `ndcg_at` with one cutoff."""
    only: Floats = ndcg_at(grades, scores, (k,))[0]
    return only


def ndcg_at(grades: ArrayLike, scores: ArrayLike, cutoffs: tuple[int, ...]) -> Floats:
    """NDCG of (n, K) groups at each cutoff -> (len(cutoffs), n) in [0, 1] (Jarvelin & Kekalainen 2002).

    Gain and discount are trec_eval's: the gain is the grade itself, a grade below zero gains nothing, the discount is
    1 / log2(rank + 1), and the ideal ranking is that of all grades of the group. Unlike trec_eval, tied scores give the
    expected value, scores are compared as float64, an item without a score still ranks (last), and a group without a
    positive grade is NaN, not 0: no ranking of it is better than another.
    """
    return _by_blocks(lambda g, s: (_ndcg(g, _better(g, s), cutoffs),), grades, scores)[0]


def kendall_tau(grades: ArrayLike, scores: ArrayLike) -> Floats:
    """Kendall's tau-b of (n, K) groups -> (n,) in [-1, 1] (Kendall 1945).

    Constant grades (fewer than two items among them) leave nothing to rank: NaN. Constant scores against varied
    grades are an answer that ranks nothing: 0, the mean over all its orders, where scipy says NaN.
    """
    return _by_blocks(lambda g, s: (_tau(g, _better(g, s)),), grades, scores)[0]


def mae(grades: ArrayLike, scores: ArrayLike) -> Floats:
    """Mean |score - grade| of (n, K) groups -> (n,), over items that have both; NaN where none has."""
    return _by_blocks(lambda g, s: (_mae(g, s),), grades, scores)[0]


def padded(groups: Sequence[Sequence[float]]) -> Floats:
    """Groups of different lengths as one (n, K) array, empty slots NaN."""
    slots = list(zip_longest(*groups, fillvalue=np.nan))
    return np.array(slots, dtype=np.float64).reshape(len(slots), len(groups)).T


def _by_blocks(metric: Metric, grades: ArrayLike, scores: ArrayLike) -> tuple[Floats, ...]:
    """`metric` over (K, block) slices, joined on the last axis.

    Groups lie on the last axis there, so that numpy's inner loop runs over groups and not over a few items.
    """
    g, s = np.asarray(grades, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if g.ndim != 2 or g.shape != s.shape:
        raise ValueError(f"grades and scores must both be (n, K), not {g.shape} and {s.shape}")
    n, items = g.shape
    g, s = np.ascontiguousarray(g.T), np.ascontiguousarray(s.T)
    step = max(1, _BLOCK // max(1, items * items))
    with np.errstate(invalid="ignore", divide="ignore"):
        if n <= step:
            return metric(g, s)
        parts = [metric(g[:, at : at + step], s[:, at : at + step]) for at in range(0, n, step)]
    return tuple(np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))


def _better(grades: Floats, scores: Floats) -> Bools:
    """(K, K, n): [i, j] says that item i ranks strictly above item j; an empty slot ranks with nobody."""
    rank_by = np.fmax(scores, -np.inf)
    rank_by[np.isnan(grades)] = np.nan
    return rank_by[:, None] > rank_by


def _ndcg(grades: Floats, better: Bools, cutoffs: tuple[int, ...]) -> Floats:
    """(len(cutoffs), n). A run of tied items fills the places from `above` to `last`, each of them equally often."""
    items = len(grades)
    cumulative, ascending = _discounts(items, cutoffs)
    above = _sum(better, 0, dtype=np.intp)
    last = items - _sum(np.isnan(grades), 0, dtype=np.intp) - _sum(better, 1, dtype=np.intp)
    expected_discount = (cumulative.take(last, 1) - cumulative.take(above, 1)) / (last - above)
    gain = np.fmax(grades, 0.0)
    found = _sum_in_order(gain * expected_discount)
    gain.sort(0)
    return found / _sum_in_order(ascending * gain)


@lru_cache(maxsize=256)
def _discounts(items: int, cutoffs: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Sums of the discounts of the first 0..K places, (cutoffs, K + 1); discounts last place first, (cutoffs, K, 1)."""
    if any(k < 1 for k in cutoffs):
        raise ValueError(f"a cutoff is at least 1, not {min(cutoffs)}")
    place = np.arange(1, items + 1)
    discount = np.where(place <= np.array(cutoffs, dtype=np.intp)[:, None], 1 / np.log2(place + 1), 0.0)
    cumulative = np.concatenate([np.zeros((len(cutoffs), 1)), discount.cumsum(1)], axis=1)
    return cumulative, np.ascontiguousarray(discount[:, ::-1, None])


def _tau(grades: Floats, better: Bools) -> Floats:
    """(n,): concordant less discordant pairs over the geometric mean of the pairs untied in each ranking."""
    higher = grades[:, None] > grades
    sign = better.view(np.int8) - better.view(np.int8).swapaxes(0, 1)
    agreement = _sum(sign * higher, (0, 1), dtype=np.intp)
    ranked = _sum(better, (0, 1), dtype=np.intp)
    tau: Floats = agreement / np.sqrt(_sum(higher, (0, 1), dtype=np.intp) * np.maximum(ranked, 1))
    return tau


def _mae(grades: Floats, scores: Floats) -> Floats:
    """(n,)"""
    error = np.abs(grades - scores)
    answered = len(error) - _sum(np.isnan(error), 0, dtype=np.intp)
    mean: Floats = _sum_in_order(np.fmax(error, 0.0) / _ROOM) / answered * _ROOM
    return mean


def _sum_in_order(values: Floats) -> Floats:
    """Sums over the items, the last axis but one, added first to last.

    `sum` and matrix products choose their order by the shape, and then a group's metrics would change in the last bit
    with the size of the batch that it is scored in: a resumed run must equal an uninterrupted one.
    """
    if values.shape[-2] == 0:
        return np.zeros(values.shape[:-2] + values.shape[-1:])
    return np.add.accumulate(values, axis=-2)[..., -1, :]
