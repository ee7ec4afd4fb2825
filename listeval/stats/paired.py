"""Paired comparison of two arms on the same samples: intervals, exact tests, multiplicity.

Samples of one cluster (groups of one product, seeds of one example) are not independent: whole clusters are drawn,
flipped or counted, so every seed of an example goes with it. With each sample alone in its cluster the tests are the
textbook's: McNemar's for rates, Fisher's sign-flip for means. Same values, same bits, whatever the number of threads.

Covered: two arms a comparison, any number of comparisons a family. Not covered: unpaired samples, crossed clusters.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from listeval.stats.intervals import (
    Bounds,
    Clusters,
    Floats,
    Interval,
    by_cluster,
    cluster_index,
    exactly_summable,
    mean_intervals,
    rate_interval,
    student_quantile,
)

Key = TypeVar("Key", bound=Hashable)
_NAN = Interval(math.nan, math.nan, math.nan)
_FEW = 25
"""Discordant clusters below which the exact p-value is used, from there on the mid-p."""
_BLOCK = 1 << 18


class Difference(NamedTuple):
    """Arm minus baseline over n pairs. `p` is NaN where nothing was tested, `test` names how it was made."""

    n: int
    before: float
    after: float
    difference: Interval
    p: float
    test: str
    effect: Interval
    """Odds ratio of the discordant pairs for a rate, mean over standard deviation of the differences for a mean."""
    gained: int = 0
    """Pairs (rates only) that the arm has and the baseline has not."""
    lost: int = 0


def paired_rate(
    before: ArrayLike, after: ArrayLike, clusters: Clusters | None = None, *, level: float = 0.95
) -> Difference:
    """The difference of two rates over the same n samples, outcomes 0 or 1.

    The interval is Tango's score interval (1998, Stat. Med. 17), the one that keeps its level and has a width where no
    pair disagrees; for clustered samples at the number of pairs that they are worth, as in `stats.rate_interval`. The
    test is McNemar's: exact below 25 discordant clusters, else mid-p, which Fagerland et al. (2013, BMC Med. Res.
    Methodol. 13:91) find to keep its level while the exact test wastes power. A cluster counts with its sum of
    differences, whose sign the null hypothesis leaves to chance; with singletons that is the binomial test.
    """
    x, y = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    change = y - x
    n, gained, lost = len(change), int((change > 0).sum()), int((change < 0).sum())
    if n == 0:
        return Difference(0, math.nan, math.nan, _NAN, math.nan, "", _NAN)
    index = cluster_index(clusters, n)
    worth = _worth(change, index, level) / n
    low, high = tango(gained * worth, lost * worth, n * worth, level=level)
    p, test = mcnemar(by_cluster(index, change).astype(np.intp))
    effect = _odds_ratio(change, index, level)
    interval = Interval(float(change.mean()), low, high)
    return Difference(n, float(x.mean()), float(y.mean()), interval, p, test, effect, gained, lost)


def paired_means(
    pairs: Mapping[Key, tuple[ArrayLike, ArrayLike]],
    clusters: Clusters | None = None,
    *,
    tested: Sequence[Key] = (),
    bounds: Mapping[Key, Bounds] | None = None,
    reach: Mapping[Key, Bounds] | None = None,
    seed: int = 0,
    resamples: int = 10_000,
    level: float = 0.95,
) -> dict[Key, Difference]:
    """Differences of means over the same n samples, a pair of (n,) columns a name; NaN = no value, no pair.

    Intervals come from one set of resamples of whole clusters for all names (`stats.mean_intervals`); `bounds` are the
    lowest and highest possible value of a column, `reach` those of a difference where more is known of it. Those
    `tested` get a sign-flip test of their clusters' sums.
    """
    columns = {
        name: np.asarray(y, dtype=np.float64) - np.asarray(x, dtype=np.float64) for name, (x, y) in pairs.items()
    }
    names = {name: str(at) for at, name in enumerate(columns)}
    widths = {names[k]: (low - high, high - low) for k, (low, high) in (bounds or {}).items() if k in names}
    widths |= {names[k]: ends for k, ends in (reach or {}).items()}
    by_name = {names[k]: column for k, column in columns.items()}
    found = mean_intervals(by_name, clusters, bounds=widths, seed=seed, resamples=resamples, level=level)
    chances = _tests({k: columns[k] for k in columns if k in set(tested)}, clusters, seed, resamples)
    return {
        k: _mean_difference(pairs[k], column, found[names[k]], chances.get(k, (math.nan, "")))
        for k, column in columns.items()
    }


def _mean_difference(
    pair: tuple[ArrayLike, ArrayLike], change: Floats, interval: Interval, chance: tuple[float, str]
) -> Difference:
    there = ~np.isnan(change)
    n = int(there.sum())
    if n == 0:
        return Difference(0, math.nan, math.nan, _NAN, math.nan, "", _NAN)
    before, after = (float(np.asarray(column, dtype=np.float64)[there].mean()) for column in pair)
    spread = float(change[there].std(ddof=1)) if n > 1 else 0.0
    effect = Interval(*(value / spread for value in interval)) if spread else _NAN
    return Difference(n, before, after, interval, *chance, effect)


def tango(gained: float, lost: float, n: float, *, level: float = 0.95) -> Bounds:
    """Limits of (gained - lost) / n by Tango (1998): the differences that the score test does not reject.

    `n` need not be whole. NaN for n = 0.
    """
    if n <= 0:
        return math.nan, math.nan
    from scipy.optimize import brentq  # 0.15 s more than what quantiles import, once

    z = student_quantile(level, math.inf)
    estimate = (gained - lost) / n

    def beyond(delta: float, side: int) -> float:
        # Equations 3 and 8 of the paper: the likelihood's largest nuisance rate where the difference is delta. The
        # score is above z where its numerator is above z times its denominator, which may be 0.
        b = (2 * n - gained + lost) * delta - gained - lost
        root = math.sqrt(max(0.0, b * b + 8 * n * lost * delta * (1 - delta)))
        rate = (root - b) / (4 * n)
        # Nothing is left to vary at the ends, where rounding would leave a little.
        spread = n * (2 * rate + delta * (1 - delta)) if abs(delta) < 1 else 0.0
        return side * (gained - lost - n * delta) - z * math.sqrt(max(0.0, spread))

    def limit(outer: float, side: int) -> float:
        # At the estimate itself the score is 0, and its numerator and denominator both may be: start beside it.
        inner = estimate + 1e-12 * (outer - estimate)
        return float(brentq(beyond, outer, inner, args=(side,), xtol=1e-14))

    # A limit of exactly -1 or 1 leaves the score test without a variance.
    return (-1.0 if estimate == -1 else limit(-1.0, 1)), (1.0 if estimate == 1 else limit(1.0, -1))


def mcnemar(sums: NDArray[np.intp]) -> tuple[float, str]:
    """p and name of the two-sided test that the signs of the clusters' `sums` (m,) are chance.

    Exact by convolution: each sum stays or changes sign with probability 1/2. Fewer than 25 that are not zero: the
    probability of a total at least as large; else the mid-p, which counts the total itself by half.
    """
    sizes, counts = np.unique(np.abs(sums[sums != 0]), return_counts=True)
    if len(sizes) == 0:
        return 1.0, "exact McNemar"
    chance: Floats = np.ones(1)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        steps = np.zeros(2 * size * count + 1)
        steps[:: 2 * size] = _binomial(count)
        chance = np.convolve(chance, steps).astype(np.float64)
    reach = len(chance) // 2
    total = abs(int(sums.sum()))
    beyond = 2 * float(chance[reach + total + 1 :].sum())
    at = float(chance[reach + total]) * (2 if total else 1)
    few = int(counts.sum()) < _FEW
    return min(1.0, beyond + at if few else beyond + at / 2), "exact McNemar" if few else "mid-p McNemar"


def _binomial(n: int) -> Floats:
    """(n + 1,) probabilities of a fair coin. scipy's own binomial distribution costs a second to import."""
    from scipy.special import betaln

    k = np.arange(n + 1)
    pmf: Floats = np.exp(-betaln(n - k + 1, k + 1) - math.log(n + 1) - n * math.log(2))
    return pmf


def _odds_ratio(change: Floats, index: NDArray[np.intp], level: float) -> Interval:
    """Gained over lost pairs, the conditional odds ratio; its interval is that of the share of gained ones."""
    discordant = change != 0
    if not discordant.any():
        return _NAN
    labels = [str(cluster) for cluster in index[discordant]]
    share = rate_interval(change[discordant] > 0, labels, level=level)
    return Interval(*(value / (1 - value) if value < 1 else math.inf for value in share))


def _worth(change: Floats, index: NDArray[np.intp], level: float) -> float:
    """How many independent pairs the clusters are worth (Korn & Graubard 1998); a cluster each where all are equal."""
    n, m = len(change), int(index.max()) + 1
    rest = change - change.mean()
    if m == n:
        return float(n)
    if m < 2 or not rest.any():
        return float(m)
    clustered = m / (m - 1) * float((by_cluster(index, rest) ** 2).sum())
    alone = n / (n - 1) * float((rest**2).sum())
    few = student_quantile(level, n - 1) / student_quantile(level, m - 1)
    return min(float(n), n * alone / clustered * few**2) if clustered > 0 else float(n)


def _tests(
    columns: Mapping[Key, Floats], clusters: Clusters | None, seed: int, flips: int
) -> dict[Key, tuple[float, str]]:
    if not columns:
        return {}
    index = cluster_index(clusters, len(next(iter(columns.values()))))
    sums = np.stack([by_cluster(index, np.nan_to_num(column, nan=0.0)) for column in columns.values()])
    return dict(zip(columns, sign_flip(sums, seed=seed, flips=flips), strict=True))


def sign_flip(sums: Floats, *, seed: int = 0, flips: int = 10_000) -> list[tuple[float, str]]:
    """p and name of the two-sided test that the signs of each row of cluster `sums` (rows, m) are chance (Fisher 1935).

    Exact where all sign patterns of the sums that are not zero are no more than `flips`; else that many patterns, the
    same for every row, with the observed one among them (Phipson & Smyth 2010), so that p is never 0.
    """
    exact = exactly_summable(sums)
    observed = np.abs(exact.sum(axis=1))
    sizes = (exact != 0).sum(axis=1)
    small = [int(size) < flips.bit_length() and 2 ** int(size) <= flips for size in sizes]
    beyond = np.zeros(len(exact))
    if not all(small):
        for signs in _signs(exact.shape[1], seed, flips):
            beyond += (np.abs(signs @ exact.T) >= observed).sum(axis=0)
    return [
        (_all_patterns(row[row != 0], seen), "exact sign-flip")
        if is_small
        else (float((hits + 1) / (flips + 1)), "sign-flip")
        for row, seen, hits, is_small in zip(exact, observed, beyond, small, strict=True)
    ]


def _all_patterns(sums: Floats, observed: float) -> float:
    totals = np.zeros(1)
    for value in sums:
        totals = np.concatenate([totals + value, totals - value])
    return float((np.abs(totals) >= observed).mean())


def _signs(m: int, seed: int, flips: int) -> Iterator[Floats]:
    """(rows, m) blocks of -1 and 1, `flips` rows in all."""
    rng = np.random.default_rng([seed, 1])
    step = max(1, _BLOCK // max(1, m))
    for at in range(0, flips, step):
        rows = min(step, flips - at)
        bits = np.unpackbits(rng.integers(0, 256, (rows, (m + 7) // 8), dtype=np.uint8), axis=1, count=m)
        yield bits.astype(np.float64) * 2 - 1


def holm(chances: Sequence[float]) -> list[float]:
    """Holm's (1979, Scand. J. Stat. 6) adjusted p-values of one family, in the order given.

    At most a share `alpha` of families has any true null below it. NaN was not tested and is no member.
    """
    tested = sorted((p, at) for at, p in enumerate(chances) if not math.isnan(p))
    adjusted, largest = [math.nan] * len(chances), 0.0
    for rank, (p, at) in enumerate(tested):
        largest = max(largest, min(1.0, p * (len(tested) - rank)))
        adjusted[at] = largest
    return adjusted
