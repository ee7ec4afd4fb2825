"""Figures as columns of rows (`RowTable`): one value a row, NaN where a row has none.

- `parse_rate`: 0 or 1 for every answer; `bare_rate` too, where it is known, and `fmc`, where answers are lists by id.
- `<metric>`: the task's own, over answers that parse and for which it is defined.
- `useful_<metric>`: every answer, zero where the contract is broken.
- `common_<metric>`: only samples that parse in every arm of a comparison.
- `<metric>@<k>`: how often one of k samples of an example is right; an example's value stands at its first row.
- `tokens`: generated tokens.

`raw_<figure>` is what the first answers alone came to, where a run asks again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from listeval.runs.figures.row_table import RowTable
from listeval.runs.stored_row import JudgedRow
from listeval.stats.intervals import Bounds, Floats
from listeval.task import Metric

PARSE_RATE, BARE_RATE, FMC, TOKENS = "parse_rate", "bare_rate", "fmc", "tokens"
USEFUL, COMMON, RAW = "useful_", "common_", "raw_"

Columns = dict[str, Floats]

_HITS: Mapping[str, Callable[[RowTable], NDArray[Any]]] = {
    PARSE_RATE: lambda table: table.parsed,
    BARE_RATE: lambda table: table.bare,
    FMC: lambda table: table.lacks_one,
}
RATES = tuple(_HITS)


def rates(table: RowTable, names: Sequence[str] = RATES, *, has_ids: bool = True) -> Columns:
    """(n,) for each named rate: 1 for a hit, 0 for a miss; NaN for the FMC of answers that have no ids."""
    found = {name: _HITS[name](table).astype(np.float64) for name in names}
    return found if has_ids else found | {name: np.full(len(table), np.nan) for name in names if name == FMC}


def scores(table: RowTable, metrics: Sequence[Metric]) -> Columns:
    """(n,) for each metric: the task's score."""
    return {
        metric.name: table.scores[metric.name] if metric.name in table.scores else np.full(len(table), np.nan)
        for metric in metrics
    }


def useful(table: RowTable, metrics: Sequence[Metric]) -> Columns:
    """(n,) for each metric with a useful form: its scores, zero where the contract is broken.

    NaN where there is nothing to be right about.
    """
    found = scores(table, [metric for metric in metrics if metric.useful])
    return {USEFUL + name: _worth(table, column) for name, column in found.items()}


def _worth(table: RowTable, scores: Floats) -> Floats:
    """What each answer is worth: what its scores say, be it undefined; else its contract is broken, and it is 0."""
    # A broken contract has scores only where no answer to its example would have been right or wrong.
    return np.where(table.parsed | table.judged, scores, 0.0)


def first_useful(metrics: Sequence[Metric], measured: Callable[[str], bool]) -> str | None:
    """The name of the first metric with a useful form that is `measured`, asked by the metric's name; None without one.

    Data without right answers (rows without labels) measure no metric, and it decides nothing then.
    """
    return next((metric.name for metric in metrics if metric.useful and measured(metric.name)), None)


def best_of(rows: Sequence[JudgedRow], table: RowTable, metrics: Sequence[Metric]) -> Columns:
    """(n,) for each `name@k` with k up to the number of seeds; a contract failure is a wrong sample.

    A sample whose metric is undefined is none of the k; an example with fewer than k others has no value. The unbiased
    estimate of Chen et al. 2021 (arXiv 2107.03374, equation 1).
    """
    wanted = [(metric.name, k) for metric in metrics for k in metric.at]
    if not wanted:
        return {}
    values = {name: _worth(table, own) for name, own in scores(table, [m for m in metrics if m.at]).items()}
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.example, []).append(place)
    most = len({row.seed for row in rows})
    columns = {at_name(name, k): np.full(len(rows), np.nan) for name, k in wanted if k <= most}
    for own in places.values():
        for name, k in wanted:
            told = values[name][own]
            n = int((~np.isnan(told)).sum())
            if k <= n:
                columns[at_name(name, k)][own[0]] = at_least_one(n, int((told == 1.0).sum()), k)
    return columns


def names(metrics: Sequence[Metric], seeds: int, *, asks_again: bool = False) -> list[str]:
    """Every figure that the rows of a run with so many seeds have."""
    useful = [USEFUL + metric.name for metric in metrics if metric.useful]
    best = [at_name(metric.name, k) for metric in metrics for k in metric.at if k <= seeds]
    found = [*RATES, *(metric.name for metric in metrics), *useful, *best]
    return found + [RAW + name for name in found] if asks_again else found


def at_name(metric: str, k: int) -> str:
    """`<metric>@<k>`."""
    return f"{metric}@{k}"


def at_least_one(n: int, right: int, k: int) -> float:
    """The chance that k of n samples, drawn without replacement, hold one of the `right` ones."""
    return 1.0 - math.comb(n - right, k) / math.comb(n, k)


def bounds(metrics: Sequence[Metric]) -> dict[str, Bounds]:
    """Lowest and highest possible value of every column of `metrics` that says something of them; infinite if open."""
    known = {metric.name: _closed(*metric.bounds) for metric in metrics if metric.bounds is not None}
    useful = {USEFUL + name: (min(0.0, low), max(0.0, high)) for name, (low, high) in known.items()}
    common = {COMMON + name: pair for name, pair in known.items()}
    return (
        {TOKENS: (0.0, math.inf)}
        | known
        | useful
        | common
        | {at_name(metric.name, k): (0.0, 1.0) for metric in metrics for k in metric.at}
    )


def bounds_of(name: str, known: Mapping[str, Bounds]) -> Bounds:
    """Lowest and highest possible value of any figure, a `raw_` one too; infinite where nothing is known.

    `known` is what `bounds` says of the run's metrics.
    """
    plain = name.removeprefix(RAW)
    return (0.0, 1.0) if plain in _HITS else known.get(plain, (-math.inf, math.inf))


def _closed(low: float | None, high: float | None) -> Bounds:
    return (-math.inf if low is None else low, math.inf if high is None else high)
