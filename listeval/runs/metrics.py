"""Metrics of a run, a pure function of its rows: the same rows give the same bits.

Three outcomes stand beside every mean: scored, unscored, errors. Rates (`parse_rate`, `bare_rate`, `fmc`)
are over the samples that the engine answered; `bare_rate` is how often the text is the JSON itself, of the
contract's type, so that `json.loads` reads it (rows from before it was noted are in it after a re-score).
A task metric is the mean over parsed answers where it is defined (a macro average: every group
counts once); `useful_<metric>` is the mean
over all scored samples with zero for every contract failure. A parsed answer for which a task
leaves its metric undefined is in neither. `<metric>@<k>` is the unbiased estimate of how often
one of k samples of an example is right (Chen et al. 2021, arXiv 2107.03374, equation 1), a mean
over examples; a contract failure is a wrong sample.

Where a run asks again after a contract failure, all of this is of the final answers, and every
figure has a `raw_` one beside it: what the first answers alone came to. Both are over the same samples.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from listeval.contract import Flag, Kind
from listeval.runs.reask import Further, further
from listeval.runs.rows import TOO_LONG, Row
from listeval.stats.intervals import Interval, mean_intervals, rate_interval
from listeval.task import Metric

MOST_MASKED = 0.2
"""Mean masked mass above which a constraint takes away what the model would have said."""


@dataclass(frozen=True)
class Summary:
    """Counts, rates, means and the failure table of a run. `kinds` and `flags` hold every name, zeros included."""

    n: int
    scored: int
    unscored: int
    errors: int
    prompt_too_long: int
    metrics: dict[str, Interval]
    """The rates, then the task's metrics and their useful forms. NaN where nothing was measured."""
    kinds: dict[str, int]
    flags: dict[str, int]
    verdicts: dict[str, int]
    """Every verdict that the task has, over the answers that were scored."""
    by_seed: dict[str, dict[str, float]]
    masked: float = math.nan
    """Mean over answers of the mean probability mass that a constraint took away from a step."""
    raw_kinds: dict[str, int] | None = None
    """The failure table of the first answers; None for a run that does not ask again."""
    further: Further | None = None
    """What asking again came to."""

    @property
    def warnings(self) -> list[str]:
        """What makes the figures mean less than they seem to, a line each."""
        if math.isnan(self.masked) or self.masked <= MOST_MASKED:
            return []
        why = "the constraint fights the model's own spelling; see spacing"
        return [f"masked mass {self.masked:.3f} is above {MOST_MASKED}: {why} (--spacing)"]

    def to_json(self) -> dict[str, Any]:
        """JSON values; NaN becomes null."""
        return {
            "n": self.n,
            "scored": self.scored,
            "unscored": self.unscored,
            "errors": self.errors,
            "prompt_too_long": self.prompt_too_long,
            **{name: {k: _null(v) for k, v in value._asdict().items()} for name, value in self.metrics.items()},
            "kinds": self.kinds,
            "flags": self.flags,
            "verdicts": self.verdicts,
            "masked": _null(self.masked),
            "warnings": self.warnings,
            "by_seed": {seed: {name: _null(v) for name, v in means.items()} for seed, means in self.by_seed.items()},
            **({} if self.raw_kinds is None else {"raw_kinds": self.raw_kinds}),
            **({} if self.further is None else {"further": self.further._asdict()}),
        }


def summarise(
    rows: Sequence[Row], metrics: Sequence[Metric], verdicts: Sequence[str] = (), *, asks_again: bool = False
) -> Summary:
    """Summary of rows in their canonical order (by seed and place); `verdicts` are all that the task has."""
    outcomes = Counter(row["outcome"] for row in rows)
    flags = Counter(flag for row in rows for flag in row["flags"])
    given = Counter(row["verdict"] for row in rows)
    seeds = {row["seed"] for row in rows}
    first = [_first_answer(row) for row in rows] if asks_again else []
    raw = {f"raw_{name}": found for name, found in _intervals(first, metrics).items()} if asks_again else {}
    return Summary(
        n=len(rows),
        scored=outcomes["scored"],
        unscored=outcomes["unscored"],
        errors=outcomes["error"],
        prompt_too_long=sum(row["reason"] == TOO_LONG for row in rows),
        metrics=_intervals(rows, metrics) | raw,
        kinds=_kinds(rows),
        flags={flag.value: flags[flag.value] for flag in Flag},
        verdicts={name: given[name] for name in verdicts},
        by_seed={
            str(seed): _values([row for row in rows if row["seed"] == seed], metrics)
            for seed in sorted(seeds)
            if len(seeds) > 1
        },
        masked=_mean([row["masked"] for row in rows if row["masked"] is not None]),
        raw_kinds=_kinds(first) if asks_again else None,
        further=further((row["attempts"] or (), row["kind"] == Kind.OK) for row in rows) if asks_again else None,
    )


def _kinds(rows: Sequence[Row]) -> dict[str, int]:
    kinds = Counter(row["kind"] for row in rows)
    return {kind.value: kinds[kind.value] for kind in Kind}


def _first_answer(row: Row) -> Row:
    """The row as it would be had its sample not been asked again; a sample that is owed an answer has none."""
    if row["outcome"] == "error" or not row["attempts"]:
        return row
    first = row["attempts"][0]
    return {**row, "outcome": "scored", "kind": first["kind"], "missing": first["missing"], "scores": {}}


def _intervals(rows: Sequence[Row], metrics: Sequence[Metric]) -> dict[str, Interval]:
    answered = _answered(rows)
    clusters = [_cluster(row) for row in answered]
    rates = {name: _rate(hits, clusters) for name, hits in _rates(answered).items()}
    scored = _scored(rows)
    columns, bounds = _columns(scored, metrics), _bounds(metrics)
    return rates | mean_intervals(columns, [_cluster(row) for row in scored], bounds=bounds)


def _rate(hits: Sequence[float], clusters: Sequence[str]) -> Interval:
    """Over the answers of which it is known."""
    known = [(hit, cluster) for hit, cluster in zip(hits, clusters, strict=True) if not math.isnan(hit)]
    return rate_interval([hit for hit, _ in known], [cluster for _, cluster in known])


def _values(rows: Sequence[Row], metrics: Sequence[Metric]) -> dict[str, float]:
    """The estimates of `_intervals` without their intervals."""
    columns = _rates(_answered(rows)) | _columns(_scored(rows), metrics)
    return {name: _mean([value for value in column if not math.isnan(value)]) for name, column in columns.items()}


def _rates(answered: Sequence[Row]) -> dict[str, list[float]]:
    return {
        "parse_rate": [float(row["kind"] == Kind.OK) for row in answered],
        "bare_rate": [math.nan if row["bare"] is None else float(row["bare"]) for row in answered],
        "fmc": [float(row["kind"] == Kind.MISSING_ID and row["missing"] == 1) for row in answered],
    }


def _columns(scored: Sequence[Row], metrics: Sequence[Metric]) -> dict[str, list[float]]:
    """One value for each scored row: NaN where a metric has none, zero for a failure in the useful form."""
    plain = {metric.name: [_score(row, metric) for row in scored] for metric in metrics}
    useful = {
        f"useful_{metric.name}": [
            value if row["kind"] == Kind.OK else 0.0 for row, value in zip(scored, plain[metric.name], strict=True)
        ]
        for metric in metrics
        if metric.useful
    }
    return plain | useful | _at(scored, metrics)


def _at(scored: Sequence[Row], metrics: Sequence[Metric]) -> dict[str, list[float]]:
    """`name@k` for each k up to the number of seeds: an example's value stands at its first row, NaN at the others."""
    wanted = [(metric, k) for metric in metrics for k in metric.at]
    if not wanted:
        return {}
    places: dict[str, list[int]] = {}
    for place, row in enumerate(scored):
        places.setdefault(row["example"], []).append(place)
    most = len({row["seed"] for row in scored})
    columns = {f"{metric.name}@{k}": [math.nan] * len(scored) for metric, k in wanted if k <= most}
    for own in places.values():
        for metric, k in wanted:
            if k <= len(own):
                right = sum(scored[place]["scores"].get(metric.name) == 1.0 for place in own)
                columns[f"{metric.name}@{k}"][own[0]] = at_least_one(len(own), right, k)
    return columns


def at_least_one(n: int, right: int, k: int) -> float:
    """The chance that k of n samples, drawn without replacement, hold one of the `right` ones."""
    return 1.0 - math.comb(n - right, k) / math.comb(n, k)


def _bounds(metrics: Sequence[Metric]) -> dict[str, tuple[float, float]]:
    known = {metric.name: metric.bounds for metric in metrics if metric.bounds is not None}
    useful = {f"useful_{name}": (min(0.0, low), max(0.0, high)) for name, (low, high) in known.items()}
    return known | useful | {f"{metric.name}@{k}": (0.0, 1.0) for metric in metrics for k in metric.at}


def _answered(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["kind"] != Kind.ENGINE_ERROR]


def _scored(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["outcome"] == "scored"]


def _score(row: Row, metric: Metric) -> float:
    value = row["scores"].get(metric.name)
    return math.nan if value is None else value


def _cluster(row: Row) -> str:
    """What the row's answer depends on: its product, else its example, whatever the seed."""
    return row["cluster"] or row["example"]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _null(value: float) -> float | None:
    return None if math.isnan(value) else value
