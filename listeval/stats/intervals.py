"""Intervals for means and rates that know which samples belong together.

Samples of one cluster (the groups of one product, the seeds of one example) are not independent, so whole clusters
are resampled or counted (Miller 2024, arXiv 2411.00640). Every function is a pure function of its arguments: the same
values in the same order give the same bits, whatever the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bounds = tuple[float, float]
Clusters = Sequence[str] | NDArray[np.intp]
"""Of n samples: a label each, an empty one for a sample that stands alone, or numbers of a `cluster_index`."""

# Draws held at a time, so that 10,000 resamples of any number of clusters take some tens of megabytes.
_BLOCK = 1 << 18
_KEPT = 1 << 25
"""Draws times clusters that are kept for the next call, 32 MB."""
FEW = 30
"""Clusters below which a bootstrap may be too narrow, and Student's limits are asked, too."""
_ROUNDING = 1e-12
"""Values that differ by less, relative to the largest, are equal: a perfect NDCG is 1 give or take a rounding."""


class Interval(NamedTuple):
    """An estimate and its confidence limits; `low` and `high` are NaN where the data say nothing about them."""

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether zero lies outside the limits; False where there are none."""
        return self.low > 0 or self.high < 0


def mean_interval(
    values: ArrayLike,
    clusters: Clusters | None = None,
    *,
    bounds: Bounds | None = None,
    seed: int = 0,
    resamples: int = 10_000,
    level: float = 0.95,
) -> Interval:
    """The mean of the values that are not NaN, with its interval: `mean_intervals` of one column."""
    limits = {} if bounds is None else {"": bounds}
    columns = {"": values}
    return mean_intervals(columns, clusters, bounds=limits, seed=seed, resamples=resamples, level=level)[""]


def mean_intervals(
    columns: Mapping[str, ArrayLike],
    clusters: Clusters | None = None,
    *,
    bounds: Mapping[str, Bounds] | None = None,
    seed: int = 0,
    resamples: int = 10_000,
    level: float = 0.95,
    levels: Mapping[str, float] | None = None,
) -> dict[str, Interval]:
    """Means of columns over the same n samples, with bootstrap intervals from the same resamples.

    `columns` maps a name to (n,) values, NaN = no value. `levels` are those of columns that have one of their own.
    Whole clusters are drawn with replacement, and a mean is the sum over the number of values in the draw (Efron 1979).
    Limits are percentiles, widened for few clusters as the t distribution is against the normal (the expanded
    percentile interval of Hesterberg 2015, arXiv 1411.5279). No draw leaves the range of the clusters, and of two
    clusters that range holds the truth half of the time: below 30 clusters an interval also reaches as far as Student's
    with the linearised error of a ratio, within `bounds`.

    No interval (NaN) with fewer than two clusters. Values that are all equal have no bootstrap width either, which is
    no proof: then, if `bounds` (lowest and highest possible value) are known, the limits are what a share of unseen
    samples at the bounds could do, that share being at most Wilson's limit for 0 of the clusters; else, and where a
    bound is infinite, NaN.

    Raises ValueError where lengths differ or `level` is not between 0 and 1.
    """
    table = [np.asarray(column, dtype=np.float64) for column in columns.values()]
    if not table:
        return {}
    index = cluster_index(clusters, len(table[0]))
    sums = np.stack([by_cluster(index, np.nan_to_num(v, nan=0.0)) for v in table])
    counts = np.stack([by_cluster(index, (~np.isnan(v)).astype(np.float64)) for v in table])
    draws = _bootstrap(sums, counts, seed, resamples)
    known, own = bounds or {}, levels or {}
    return {
        name: _limits(_Column(v[~np.isnan(v)], s, c, means), known.get(name), own.get(name, level))
        for name, v, s, c, means in zip(columns, table, sums, counts, draws, strict=True)
    }


def statistic_interval(
    cells: ArrayLike,
    statistic: Callable[[Floats], Floats],
    clusters: Clusters | None = None,
    *,
    bounds: Bounds = (-math.inf, math.inf),
    seed: int = 0,
    resamples: int = 2_000,
    level: float = 0.95,
) -> Interval:
    """A statistic of how n samples spread over cells (of a contingency table, say), with its bootstrap interval.

    `cells` (n,) numbers each sample's cell from 0; `statistic` maps the counts of the cells, (cells, draws), to
    (draws,), NaN where it is undefined, within `bounds`. Clusters and limits are those of `mean_intervals`, with the
    jackknife's error below 30 clusters; there is no interval (NaN) with fewer than two clusters, or where every draw
    gives the same.

    Raises ValueError where lengths differ or `level` is not between 0 and 1.
    """
    cell = np.asarray(cells, dtype=np.intp)
    index = cluster_index(clusters, len(cell))
    if len(cell) == 0:
        return Interval(math.nan, math.nan, math.nan)
    m = int(index.max()) + 1
    table = np.bincount(cell * m + index, minlength=(int(cell.max()) + 1) * m).reshape(-1, m).astype(np.float64)
    value = float(statistic(table.sum(1, keepdims=True))[0])
    alpha = _expanded_alpha(level, m)
    if m < 2 or math.isnan(value):
        return Interval(value, math.nan, math.nan)
    draws = (np.einsum("rm,cm->cr", times, table) for times in _resample(m, seed, resamples))
    found = np.concatenate([statistic(block) for block in draws])
    found = found[~np.isnan(found)]
    if len(found) == 0 or found.min() == found.max():
        return Interval(value, math.nan, math.nan)
    low, high = (float(x) for x in np.quantile(found, [alpha, 1 - alpha]))
    half = _jackknifed(table, statistic) * student_quantile(level, m - 1) if m < FEW else 0.0
    return Interval(value, min(low, max(bounds[0], value - half)), max(high, min(bounds[1], value + half)))


def _jackknifed(table: Floats, statistic: Callable[[Floats], Floats]) -> float:
    """The standard error from leaving out each cluster of `table` (cells, clusters); 0 where that is undefined."""
    left = statistic(table.sum(1, keepdims=True) - table)
    left = left[~np.isnan(left)]
    return math.sqrt((len(left) - 1) / len(left) * float(((left - left.mean()) ** 2).sum())) if len(left) > 1 else 0.0


def wilson(successes: float, n: float, *, level: float = 0.95) -> Interval:
    """The rate of `successes` among `n` independent samples, with Wilson's score interval (Wilson 1927, JASA 22).

    It keeps a width at 0 of n and n of n, where normal and bootstrap intervals have none. NaN for n = 0.
    `n` need not be whole: `rate_interval` passes an effective number.
    Raises ValueError where `successes` is not in 0..n or `level` is not between 0 and 1.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes must be in 0..n, not {successes} of {n}")
    z2 = _normal_quantile(level) ** 2
    if n == 0:
        return Interval(math.nan, math.nan, math.nan)
    rate = successes / n
    centre = (successes + z2 / 2) / (n + z2)
    half = math.sqrt(z2) / (n + z2) * math.sqrt(rate * (n - successes) + z2 / 4)
    # At the ends the limit is the rate itself; rounding would leave it a few 1e-17 off, or below 0.
    low = 0.0 if successes == 0 else centre - half
    return Interval(rate, low, 1.0 if successes == n else centre + half)


def rate_interval(outcomes: ArrayLike, clusters: Clusters | None = None, *, level: float = 0.95) -> Interval:
    """The rate of true `outcomes` (n,), with Wilson's interval for the number of independent samples they are worth.

    `clusters` are labels as in `mean_intervals`. The samples are worth n over the design effect, the variance of the
    rate with clusters over its variance without (Kish 1965), reduced for few clusters as in Korn & Graubard (1998), and
    never above n; Franco et al. (2019, J. Surv. Stat. Methodol. 7) recommend Wilson's among such intervals. Where
    outcomes are all equal nothing is known of the dependence, and each cluster counts once: the widest interval that
    the dependence could ask for. With every sample alone in its cluster this is `wilson`.

    Raises ValueError where lengths differ or `level` is not between 0 and 1.
    """
    hits = np.asarray(outcomes, dtype=np.float64)
    n = len(hits)
    index = cluster_index(clusters, n)
    if n == 0:
        return wilson(0, 0, level=level)
    rate = float(hits.sum()) / n
    worth = _effective_size(rate, by_cluster(index, hits), by_cluster(index, np.ones(n)), level)
    return wilson(rate * worth, worth, level=level)._replace(value=rate)


def _effective_size(rate: float, hits: Floats, sizes: Floats, level: float) -> float:
    """How many independent samples the clusters are worth; `hits` and `sizes` are per cluster."""
    clusters, n = len(sizes), float(sizes.sum())
    if clusters < 2 or rate in (0.0, 1.0):
        return float(clusters)
    # Linearised variance of a ratio; with singletons it is rate (1 - rate) / (n - 1), which makes the effect 1.
    clustered = clusters / (clusters - 1) * float(((hits - rate * sizes) ** 2).sum()) / n**2
    design_effect = clustered / (rate * (1 - rate) / (n - 1))
    few = student_quantile(level, n - 1) / student_quantile(level, clusters - 1)
    return min(n, n / design_effect * few**2) if design_effect > 0 else n


def cluster_index(clusters: Clusters | None, n: int) -> NDArray[np.intp]:
    """(n,): the number of each sample's cluster, in the order of first appearance; numbers stay as they are.

    Raises ValueError for another length, and for numbers with a gap.
    """
    if clusters is None:
        return np.arange(n)
    if len(clusters) != n:
        raise ValueError(f"{n} values but {len(clusters)} cluster labels")
    if isinstance(clusters, np.ndarray) and clusters.dtype == np.intp:
        if n and (clusters.min() < 0 or not np.bincount(clusters).all()):
            raise ValueError("numbers of clusters must be 0, 1, 2, ... without a gap")
        return clusters
    seen: dict[str | int, int] = {}
    return np.array([seen.setdefault(label or at, len(seen)) for at, label in enumerate(clusters)], dtype=np.intp)


def by_cluster(index: NDArray[np.intp], values: Floats) -> Floats:
    """(clusters,): sums of the (n,) values."""
    if len(values) != len(index):
        raise ValueError(f"columns of different lengths: {len(values)} and {len(index)}")
    return np.bincount(index, weights=values).astype(np.float64)


def exactly_summable(rows: Floats) -> Floats:
    """(rows, n) values, each moved by less than n * 2**-52 of its row's largest, so that sums of n of them are exact.

    Exact sums do not depend on their order, which BLAS changes with the number of threads.
    """
    _, exponent = np.frexp(rows.shape[1] * np.abs(rows).max(axis=1, keepdims=True, initial=0.0))
    grid: Floats = np.ldexp(np.rint(np.ldexp(rows, 52 - exponent)), exponent - 52)
    return grid


def _bootstrap(sums: Floats, counts: Floats, seed: int, resamples: int) -> Floats:
    """(columns, resamples) means; `sums` and `counts` are (columns, clusters). NaN where a draw has no value."""
    clusters = sums.shape[1]
    if clusters < 2:
        return np.full((len(sums), resamples), np.nan)
    # Columns mostly count the same samples, so most count rows are one row.
    both = [*sums, *counts]
    distinct = {row.tobytes(): row for row in both}
    places = {row: at for at, row in enumerate(distinct)}
    weights = exactly_summable(np.stack(list(distinct.values())))
    parts = [times @ weights.T for times in _resample(clusters, seed, resamples)]
    totals = np.concatenate(parts).T[[places[row.tobytes()] for row in both]]
    with np.errstate(invalid="ignore"):
        means: Floats = totals[: len(sums)] / totals[len(sums) :]
    return means


def _resample(clusters: int, seed: int, resamples: int) -> Iterator[Floats]:
    """(rows, clusters) blocks, `resamples` rows in all: how often each draw with replacement takes each cluster.

    The draws of a comparison's size are kept, since the next figures of the same samples ask for the same ones.
    """
    kept = clusters * resamples <= _KEPT
    for block in _drawn(clusters, seed, resamples) if kept else _draw(clusters, seed, resamples):
        yield block.astype(np.float64)


@lru_cache(maxsize=1)
def _drawn(clusters: int, seed: int, resamples: int) -> tuple[NDArray[np.integer[Any]], ...]:
    # That a draw takes one cluster more than 255 times has yet to be seen.
    return tuple(
        block.astype(np.uint8 if block.max() < 256 else np.uint32) for block in _draw(clusters, seed, resamples)
    )


def _draw(clusters: int, seed: int, resamples: int) -> Iterator[NDArray[np.intp]]:
    rng = np.random.default_rng(seed)
    step = max(1, _BLOCK // clusters)
    for at in range(0, resamples, step):
        rows = min(step, resamples - at)
        drawn = rng.integers(0, clusters, (rows, clusters)) + np.arange(0, rows * clusters, clusters)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * clusters).reshape(rows, clusters)


class _Column(NamedTuple):
    """One column: its values, their sums and numbers by cluster, and its bootstrap means."""

    values: Floats
    sums: Floats
    counts: Floats
    draws: Floats

    @property
    def clusters(self) -> int:
        """Clusters that have a value."""
        return int(np.count_nonzero(self.counts))

    def standard_error(self, mean: float) -> float:
        """Of the mean as a ratio of sums, linearised; two clusters or more."""
        m, rest = self.clusters, self.sums - mean * self.counts
        return math.sqrt(m / (m - 1) * float((rest**2).sum())) / len(self.values)


def _limits(column: _Column, bounds: Bounds | None, level: float) -> Interval:
    values, clusters = column.values, column.clusters
    if len(values) == 0:
        return Interval(math.nan, math.nan, math.nan)
    mean = math.fsum(values) / len(values)
    if clusters < 2:
        return Interval(mean, math.nan, math.nan)
    if values.max() - values.min() > _ROUNDING * np.abs(values).max():
        return Interval(mean, *_spread(column, mean, bounds or (-math.inf, math.inf), level))
    if bounds is None or not all(map(math.isfinite, bounds)):
        return Interval(mean, math.nan, math.nan)
    unseen = wilson(0, clusters, level=level).high
    return Interval(mean, mean - unseen * (mean - bounds[0]), mean + unseen * (bounds[1] - mean))


def _spread(column: _Column, mean: float, bounds: Bounds, level: float) -> Bounds:
    """Limits of values that differ."""
    alpha = _expanded_alpha(level, column.clusters)
    low, high = (float(x) for x in np.quantile(column.draws[~np.isnan(column.draws)], [alpha, 1 - alpha]))
    if column.clusters >= FEW:
        return low, high
    half = student_quantile(level, column.clusters - 1) * column.standard_error(mean)
    return min(low, max(bounds[0], mean - half)), max(high, min(bounds[1], mean + half))


def _expanded_alpha(level: float, clusters: int) -> float:
    """The tail whose normal quantile, times sqrt(1 - 1/m), is the t quantile with m - 1 degrees of freedom."""
    z = student_quantile(level, max(1, clusters - 1))
    return NormalDist().cdf(-z * math.sqrt(clusters / max(1, clusters - 1)))


def _normal_quantile(level: float) -> float:
    """z of a two-sided interval."""
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, not {level}")
    return NormalDist().inv_cdf((1 + level) / 2)


@lru_cache(maxsize=1024)
def student_quantile(level: float, freedom: float) -> float:
    """t of a two-sided interval, or z where `freedom` is infinite, by scipy, whose import costs 0.15 s once.

    Raises ValueError where `level` is not between 0 and 1.
    """
    z = _normal_quantile(level)
    if math.isinf(freedom):
        return z
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + level) / 2))
