"""Metrics of a run, a pure function of its rows: the same rows give the same bits.

Three outcomes stand beside every mean: scored, unscored, errors. Rates (`parse_rate`, `bare_rate`, `fmc`)
are over the samples that the engine answered; `bare_rate` is how often the text is the JSON itself, of the
contract's type, so that `json.loads` reads it (rows from before it was noted are in it after a re-score).
A task metric is the mean over parsed answers where it is defined (a macro average: every group
counts once); `useful_<metric>` is the mean
over all scored samples with zero for every contract failure (but of examples that no answer can be right about,
see `Task.labelled`). A parsed answer for which a task
leaves its metric undefined is in neither. `<metric>@<k>` is a mean over examples. What a row has
of each figure is defined in `figures.columns`.

Where a run asks again after a contract failure, all of this is of the final answers, and every
figure has a `raw_` one beside it: what the first answers alone came to. Both are over the same samples.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import replace

from listeval.contract import Flag, Kind
from listeval.runs.figures import columns as figures
from listeval.runs.figures.columns import RAW, USEFUL, Columns
from listeval.runs.figures.row_table import RowTable
from listeval.runs.reask import ReaskCounts, further
from listeval.runs.rows import TOO_LONG
from listeval.runs.stored_row import JudgedRow
from listeval.stats.intervals import Floats, Interval, mean_intervals, rate_interval
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
    over: dict[str, int]
    """How many values each of them is the mean of: answers, or examples for `<metric>@<k>`."""
    kinds: dict[str, int]
    flags: dict[str, int]
    verdicts: dict[str, int]
    """Every verdict that the task has, over the answers that were scored."""
    by_seed: dict[str, dict[str, float]]
    masked: float = math.nan
    """Mean over answers of the mean probability mass that a constraint took away from a step."""
    raw_kinds: dict[str, int] | None = None
    """The failure table of the first answers; None for a run that does not ask again."""
    further: ReaskCounts | None = None
    """What asking again came to."""

    def measures(self, metric: str) -> bool:
        """Whether a metric with a useful form has a value: more than the zeros of broken contracts, if any answer
        parses.
        """
        return self.over.get(USEFUL + metric, 0) > 0 and (self.over[metric] > 0 or not self.kinds[Kind.OK])

    @property
    def unanswered(self) -> int:
        """Samples that the figures do not know: the engine failed, or the prompt left no room for an answer."""
        return self.errors + self.prompt_too_long

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
    rows: Sequence[JudgedRow],
    metrics: Sequence[Metric],
    verdicts: Sequence[str] = (),
    *,
    asks_again: bool = False,
    has_ids: bool = True,
) -> Summary:
    """Summary of rows in their canonical order (by seed and place); `verdicts` are all that the task has.

    Where answers have no ids, FMC is not measured.
    """
    outcomes = Counter(row.outcome for row in rows)
    flags = Counter(flag for row in rows for flag in row.flags)
    given = Counter(row.verdict for row in rows)
    first = [_first_answer(row) for row in rows] if asks_again else []
    found = _intervals(rows, metrics, has_ids)
    found |= {RAW + name: own for name, own in _intervals(first, metrics, has_ids).items()} if asks_again else {}
    return Summary(
        n=len(rows),
        scored=outcomes["scored"],
        unscored=outcomes["unscored"],
        errors=outcomes["error"],
        prompt_too_long=sum(row.reason == TOO_LONG for row in rows),
        metrics={name: own.interval for name, own in found.items()},
        over={name: own.values for name, own in found.items()},
        kinds=_kinds(rows),
        flags={flag.value: flags[flag.value] for flag in Flag},
        verdicts={name: given[name] for name in verdicts},
        by_seed=seed_values(rows, metrics, has_ids=has_ids),
        masked=_mean([row.masked for row in rows if row.masked is not None]),
        raw_kinds=_kinds(first) if asks_again else None,
        further=further((row.attempts or (), row.kind == Kind.OK) for row in rows) if asks_again else None,
    )


def seed_values(
    rows: Sequence[JudgedRow], metrics: Sequence[Metric], *, has_ids: bool = True
) -> dict[str, dict[str, float]]:
    """Every figure of each seed's rows alone, by seed; empty where there is only one seed."""
    seeds = {row.seed for row in rows}
    if len(seeds) < 2:
        return {}
    return {str(seed): _values([row for row in rows if row.seed == seed], metrics, has_ids) for seed in sorted(seeds)}


def _kinds(rows: Sequence[JudgedRow]) -> dict[str, int]:
    kinds = Counter(row.kind for row in rows)
    return {kind.value: kinds[kind.value] for kind in Kind}


def _first_answer(row: JudgedRow) -> JudgedRow:
    """The row as it would be had its sample not been asked again; a sample that is owed an answer has none.

    A figure that does not know the last answer, since the instrument failed on it, does not know the first one either:
    dropped from one side alone, it would make the other side the better one.
    """
    if row.outcome == "error" or row.kind == Kind.ENGINE_ERROR or not row.attempts:
        return row
    first = row.attempts[0]
    # Where no answer is right or wrong, no score has a value, whatever became of the last answer.
    scores = {} if any(score is not None for score in row.scores.values()) else row.scores
    kind, missing, bare = first["kind"], first["missing"], first.get("bare")
    return replace(row, kind=kind, missing=missing, bare=bare, scores=scores)


class _Mean(NamedTuple):
    """A figure with its interval, and of how many values it is the mean."""

    interval: Interval
    values: int


def _intervals(rows: Sequence[JudgedRow], metrics: Sequence[Metric], has_ids: bool) -> dict[str, _Mean]:
    answered, scored = _answered(rows), _scored(rows)
    clusters = [row.unit for row in answered]
    rates, means = figures.rates(RowTable.of(answered), has_ids=has_ids), _means(scored, metrics)
    found = {name: _rate(hits, clusters) for name, hits in rates.items()}
    found |= mean_intervals(means, [row.unit for row in scored], bounds=figures.bounds(metrics))
    columns = rates | means
    return {name: _Mean(interval, int((~np.isnan(columns[name])).sum())) for name, interval in found.items()}


def _rate(hits: Floats, clusters: Sequence[str]) -> Interval:
    """Over the answers of which it is known."""
    known = ~np.isnan(hits)
    return rate_interval(hits[known], [cluster for cluster, there in zip(clusters, known, strict=True) if there])


def _values(rows: Sequence[JudgedRow], metrics: Sequence[Metric], has_ids: bool) -> dict[str, float]:
    """The estimates of `_intervals` without their intervals."""
    rates = figures.rates(RowTable.of(_answered(rows)), has_ids=has_ids)
    columns = rates | _means(_scored(rows), metrics)
    return {name: _mean(column[~np.isnan(column)]) for name, column in columns.items()}


def _means(scored: Sequence[JudgedRow], metrics: Sequence[Metric]) -> Columns:
    """The task's metrics, their useful forms and their `name@k`."""
    table = RowTable.of(scored)
    return figures.scores(table, metrics) | figures.useful(table, metrics) | figures.best_of(scored, table, metrics)


def _answered(rows: Sequence[JudgedRow]) -> list[JudgedRow]:
    return [row for row in rows if row.kind != Kind.ENGINE_ERROR]


def _scored(rows: Sequence[JudgedRow]) -> list[JudgedRow]:
    return [row for row in rows if row.outcome == "scored"]


def _mean(values: Sequence[float] | Floats) -> float:
    return math.fsum(values) / len(values) if len(values) else math.nan


def _null(value: float) -> float | None:
    return None if math.isnan(value) else value
