"""Figures as columns of rows: one value a row, NaN where a row has none.

- `parse_rate`, `fmc`: 0 or 1 for every answer; `bare_rate` too, where it is known.
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
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from listeval.contract import Kind
from listeval.runs.rows import JudgedRow
from listeval.stats.intervals import Bounds, Floats
from listeval.task import Metric

PARSE_RATE, BARE_RATE, FMC, TOKENS = "parse_rate", "bare_rate", "fmc", "tokens"
USEFUL, COMMON, RAW = "useful_", "common_", "raw_"

Columns = dict[str, Floats]

# As plain text: looking up and comparing the members of an enumeration takes twice as long.
_OK, _MISSING = Kind.OK.value, Kind.MISSING_ID.value

_HITS: Mapping[str, Callable[[JudgedRow], float | None]] = {
    PARSE_RATE: lambda row: row["kind"] == _OK,
    BARE_RATE: lambda row: row["bare"],
    FMC: lambda row: row["kind"] == _MISSING and row["missing"] == 1,
}
RATES = tuple(_HITS)


def rates(rows: Sequence[JudgedRow], names: Sequence[str] = RATES) -> Columns:
    """(n,) for each named rate: 1 for a hit, 0 for a miss."""
    # None becomes NaN.
    return {name: np.array(list(map(_HITS[name], rows)), dtype=np.float64) for name in names}


def parsed(rows: Sequence[JudgedRow]) -> NDArray[np.bool_]:
    """(n,): the answer keeps its contract."""
    return np.array([row["kind"] == _OK for row in rows], dtype=bool)


def scores(rows: Sequence[JudgedRow], metrics: Sequence[Metric]) -> Columns:
    """(n,) for each metric: the task's score."""
    given = [row["scores"] for row in rows]
    # None becomes NaN.
    return {metric.name: np.array([own.get(metric.name) for own in given], dtype=np.float64) for metric in metrics}


def useful(scored: Columns, rows: Sequence[JudgedRow], metrics: Sequence[Metric]) -> Columns:
    """(n,) for each metric with a useful form: its column of `scored`, zero where the contract of `rows` is broken.

    NaN where there is nothing to be right about.
    """
    known = _own_score(rows)
    return {USEFUL + metric.name: np.where(known, scored[metric.name], 0.0) for metric in metrics if metric.useful}


def _own_score(rows: Sequence[JudgedRow]) -> NDArray[np.bool_]:
    """(n,): what the answer is worth is what its scores say, be it undefined; else its contract is broken."""
    # A broken contract has scores only where no answer to its example would have been right or wrong.
    return np.array([row["kind"] == _OK or bool(row["scores"]) for row in rows], dtype=bool)


def first_useful(metrics: Sequence[Metric], measured: Callable[[str], bool]) -> str | None:
    """The name of the first metric with a useful form that is `measured`, asked by the metric's name; None without one.

    Data without right answers (rows without labels) measure no metric, and it decides nothing then.
    """
    return next((metric.name for metric in metrics if metric.useful and measured(metric.name)), None)


def best_of(rows: Sequence[JudgedRow], metrics: Sequence[Metric]) -> Columns:
    """(n,) for each `name@k` with k up to the number of seeds; a contract failure is a wrong sample.

    A sample whose metric is undefined is none of the k; an example with fewer than k others has no value. The unbiased
    estimate of Chen et al. 2021 (arXiv 2107.03374, equation 1).
    """
    wanted = [(metric.name, k) for metric in metrics for k in metric.at]
    if not wanted:
        return {}
    known = _own_score(rows)
    values = {name: np.where(known, own, 0.0) for name, own in scores(rows, [m for m in metrics if m.at]).items()}
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row["example"], []).append(place)
    most = len({row["seed"] for row in rows})
    columns = {at_name(name, k): np.full(len(rows), np.nan) for name, k in wanted if k <= most}
    for own in places.values():
        for name, k in wanted:
            told = values[name][own]
            n = int((~np.isnan(told)).sum())
            if k <= n:
                columns[at_name(name, k)][own[0]] = at_least_one(n, int((told == 1.0).sum()), k)
    return columns


def at_name(metric: str, k: int) -> str:
    """`<metric>@<k>`."""
    return f"{metric}@{k}"


def at_least_one(n: int, right: int, k: int) -> float:
    """The chance that k of n samples, drawn without replacement, hold one of the `right` ones."""
    return 1.0 - math.comb(n - right, k) / math.comb(n, k)


def spent(rows: Sequence[JudgedRow], name: Literal["n_tokens", "n_prompt_tokens"]) -> Floats:
    """(n,) tokens that each sample took: of all its attempts, where it was asked more than once."""
    return np.array(
        [sum(one[name] for one in row["attempts"]) if row["attempts"] else row[name] for row in rows], dtype=np.float64
    )


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


def cluster(row: JudgedRow) -> str:
    """What the row's answer depends on: its product, else its example, whatever the seed."""
    return row["cluster"] or row["example"]
