"""What every format needs of a run: its figures, each sample's share of them, and what they say of themselves."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from listeval.contract import Kind
from listeval.errors import UserError
from listeval.report.shown import metrics_to_show
from listeval.runs.completing import completing
from listeval.runs.figures import columns as figures
from listeval.runs.figures.as_text import interval, is_rate
from listeval.runs.figures.row_table import RowTable
from listeval.stats.intervals import Interval

if TYPE_CHECKING:
    from listeval.runs.metrics import Summary
    from listeval.runs.store import Run

_HUB = re.compile(r"hf://datasets/(?P<repository>[^@]+)@(?P<revision>[^/]+)/")
_LOWER = (figures.FMC, figures.RAW + figures.FMC)


class HubSource(NamedTuple):
    """The data set on the hub that a run read, and the revision."""

    repository: str
    revision: str


def hub_source(run: Run) -> HubSource | None:
    """Where the run's examples came from, if that was the hub."""
    found = _HUB.match(next(iter(run.manifest.data.values())).source)
    return HubSource(found["repository"], found["revision"]) if found else None


def data_name(run: Run) -> str:
    """What the run's data is called."""
    first = next(iter(run.manifest.data.values()))
    return first.name or first.source


def measured(run: Run) -> dict[str, Interval]:
    """The figures that a report shows and that have a value. Raises UserError where the run measured nothing."""
    shown = {name: run.summary.metrics[name] for name in metrics_to_show([run])}
    found = {name: value for name, value in shown.items() if math.isfinite(value.value)}
    if not found:
        raise UserError(
            "no sample is answered, so there is no figure to export",
            place=str(run.path),
            fix=f"complete it: {completing(run.path, run.manifest.config)}",
        )
    return found


def per_sample(run: Run) -> list[dict[str, float]]:
    """By row, each figure that the row counts for: their mean is the run's figure.

    An engine's failure counts for none, an unscored answer for the rates alone. `<metric>@<k>` is of examples and
    `raw_<figure>` of first answers, so neither is here.
    """
    rows, metrics = run.rows, run.metrics
    table = RowTable.of(run.judged)
    rates = figures.rates(table, [name for name in figures.RATES if name in metrics_to_show([run])])
    scored = figures.scores(table, metrics) | figures.useful(table, metrics)
    found: list[dict[str, float]] = []
    for at, row in enumerate(rows):
        own = {} if row["kind"] == Kind.ENGINE_ERROR else {name: float(column[at]) for name, column in rates.items()}
        if row["outcome"] == "scored":
            own |= {name: float(column[at]) for name, column in scored.items()}
        found.append({name: value for name, value in own.items() if not math.isnan(value)})
    return found


def lower_is_better(run: Run) -> Mapping[str, bool]:
    """Which way is better, for the figures of which that is known: rates, and metrics that say so."""
    useful = {metric.name for metric in run.metrics if metric.useful}
    said = {
        metric.name: metric.less_is_better for metric in run.metrics if metric.less_is_better != metric.more_is_better
    }
    at = {figures.at_name(metric.name, k) for metric in run.metrics for k in metric.at}
    known: dict[str, bool] = {}
    for name in metrics_to_show([run]):
        plain = name.removeprefix(figures.RAW)
        if is_rate(name) or plain.removeprefix(figures.USEFUL) in useful or plain in at:
            known[name] = name in _LOWER
        elif plain in said:
            known[name] = said[plain]
    return known


def decisive(run: Run) -> tuple[str, Interval]:
    """The one figure of a run: its first useful metric that has a value, over all answers, else the parse rate."""
    found = measured(run)
    first = figures.first_useful(run.metrics, run.summary.measures)
    name = figures.PARSE_RATE if first is None else figures.USEFUL + first
    return name, found[name]


def way(run: Run) -> str:
    """What sets the answers apart from those of other runs: their constraint, and how many a sample may have."""
    most = run.manifest.config.attempts
    return f"constraint {run.manifest.constraint}{f', up to {most} answers a sample' if most > 1 else ''}"


def in_words(run: Run) -> str:
    """How the figures were made, on one line: what a leaderboard's note has room for."""
    made, found = run.manifest, run.summary
    of_all = f" of {found.n + run.without_row}" if run.without_row else ""
    names = dict.fromkeys((decisive(run)[0], figures.PARSE_RATE))
    told = ", ".join(f"{name} {interval(name, found.metrics[name])}{_of(found, name)}" for name in names)
    return f"listeval {made.listeval}, {way(run)}, {found.n}{of_all} samples: {told}"


def _of(found: Summary, name: str) -> str:
    """How many values a figure is the mean of, where that is another number than that of the samples."""
    return "" if found.over[name] == found.n else f" over {found.over[name]}"
