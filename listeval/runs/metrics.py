"""Metrics of a run, a pure function of its rows: the same rows give the same bits.

Three outcomes stand beside every mean: scored, unscored, errors. Rates (`parse_rate`, `fmc`)
are over the samples that the engine answered. A task metric is the mean over parsed answers
where it is defined (a macro average: every group counts once); `useful_<metric>` is the mean
over all scored samples with zero for every contract failure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from listeval.contract import Flag, Kind
from listeval.runs.judge import TOO_LONG
from listeval.runs.rows import Row
from listeval.stats import Interval, mean_interval, rate_interval
from listeval.task import Metric


@dataclass(frozen=True)
class Summary:
    """Counts, rates, means and the failure table of a run. `kinds` and `flags` hold every name, zeros included."""

    n: int
    scored: int
    unscored: int
    errors: int
    prompt_too_long: int
    metrics: dict[str, Interval]
    """`parse_rate`, `fmc`, then the task's metrics and their useful forms. NaN where nothing was measured."""
    kinds: dict[str, int]
    flags: dict[str, int]
    by_seed: dict[str, dict[str, float]]

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
            "by_seed": {seed: {name: _null(v) for name, v in means.items()} for seed, means in self.by_seed.items()},
        }


def summarise(rows: Sequence[Row], metrics: Sequence[Metric]) -> Summary:
    """Summary of rows in their canonical order (by seed and place)."""
    outcomes = Counter(row["outcome"] for row in rows)
    kinds = Counter(row["kind"] for row in rows)
    flags = Counter(flag for row in rows for flag in row["flags"])
    seeds = sorted({row["seed"] for row in rows})
    return Summary(
        n=len(rows),
        scored=outcomes["scored"],
        unscored=outcomes["unscored"],
        errors=outcomes["error"],
        prompt_too_long=sum(row["reason"] == TOO_LONG for row in rows),
        metrics=_means(rows, metrics),
        kinds={kind.value: kinds[kind.value] for kind in Kind},
        flags={flag.value: flags[flag.value] for flag in Flag},
        by_seed={
            str(seed): {
                name: mean.value for name, mean in _means([r for r in rows if r["seed"] == seed], metrics).items()
            }
            for seed in (seeds if len(seeds) > 1 else ())
        },
    )


def _means(rows: Sequence[Row], metrics: Sequence[Metric]) -> dict[str, Interval]:
    answered = [row for row in rows if row["kind"] != Kind.ENGINE_ERROR]
    clusters = [_cluster(row) for row in answered]
    found = {
        "parse_rate": rate_interval([row["kind"] == Kind.OK for row in answered], clusters),
        "fmc": rate_interval([row["kind"] == Kind.MISSING_ID and row["missing"] == 1 for row in answered], clusters),
    }
    scored = [row for row in rows if row["outcome"] == "scored"]
    parsed = [row for row in scored if row["kind"] == Kind.OK]
    for metric in metrics:
        found[metric.name] = mean_interval([_score(row, metric) for row in parsed], [_cluster(row) for row in parsed])
    for metric in metrics:
        if metric.useful:
            values = [_score(row, metric) if row["kind"] == Kind.OK else 0.0 for row in scored]
            found[f"useful_{metric.name}"] = mean_interval(values, [_cluster(row) for row in scored])
    return found


def _score(row: Row, metric: Metric) -> float:
    value = row["scores"].get(metric.name)
    return math.nan if value is None else value


def _cluster(row: Row) -> str:
    return row["cluster"] or f"{row['seed']}/{row['example']}"


def _null(value: float) -> float | None:
    return None if math.isnan(value) else value
