"""The page of one run, or of several side by side without a paired verdict: `listeval report RUN... --html FILE`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from listeval.contract import Kind
from listeval.report.constrained import notes
from listeval.report.heading import run_title
from listeval.report.page.bars import BarPanel, Named, panel
from listeval.report.page.browser import browser
from listeval.report.page.csv_tables import csv_tables
from listeval.report.page.kind_groups import drawn_order, legend
from listeval.report.page.provenance import provenance
from listeval.report.page.render import inert_json, render_page, write_text
from listeval.report.page.repeat import report_command
from listeval.report.page.samples import RightAnswer, names_of, of_runs
from listeval.report.page.setting_curves import CurvePlot, curves
from listeval.report.page.stacks import Stack, stack
from listeval.report.page.wide import FigureCell, WideTable, figure_cell, titles
from listeval.report.shown import kinds_to_show, metrics_to_show
from listeval.runs.damage import located
from listeval.runs.figures import as_text, words
from listeval.runs.figures.columns import BARE_RATE, PARSE_RATE, RAW, USEFUL, bounds, bounds_of, first_useful

if TYPE_CHECKING:
    from listeval.runs import Run

_HEADS = 3
_MOST_CURVES = 3
"""Figures that are drawn against a setting: the headline."""


class Headline(NamedTuple):
    """One figure of the head: value, interval below, and what it is over."""

    title: str
    value: str
    interval: str
    over: str


class KindRow(NamedTuple):
    """A kind with its count and share in every run."""

    kind: str
    cells: list[str]
    meaning: str


def write_runs_page(runs: Sequence[Run], path: Path, rights: Sequence[RightAnswer | None] = ()) -> None:
    """Write the page. Raises UserError where the file cannot be written."""
    write_text(runs_page(runs, rights), path)


def runs_page(runs: Sequence[Run], rights: Sequence[RightAnswer | None] = ()) -> str:
    """The page of one or several runs; `rights` give the right answers of each run's rows, where they are to be had."""
    from markupsafe import Markup

    names, alone = names_of(runs), len(runs) == 1
    marks = marks_of(runs)
    with located([run.path for run in runs]):
        found = browser(of_runs(runs, rights or [None] * len(runs)))
    present = [kind.value for kind in kinds_to_show(runs)]
    return render_page(
        "report.html",
        title=names[0] if alone else " / ".join(names),
        heading=run_title(runs[0]) if alone else f"{len(runs)} runs of {_tasks(runs)}",
        alone=alone,
        heads=heads(runs[0]) if alone else [],
        overview=None if alone else _overview(runs, marks, names),
        counts=[(mark, name, words.counts(run.summary)) for mark, name, run in zip(marks, names, runs, strict=True)],
        warnings=_warnings(runs, marks),
        panels=panels(runs, marks, names),
        stacks=stacks(runs, marks, names),
        legend=legend(drawn_order(present)),
        kind_rows=_kind_rows(runs, present),
        marks=marks,
        figures=_figures(runs, marks, names),
        verdicts=_verdicts(runs, marks, names),
        kept=csv_tables(runs, marks),
        plots=plots(runs),
        arms=[f"{mark} {name}".strip() for mark, name in zip(marks, names, strict=True)],
        browser=found,
        paired=False,
        provenance=provenance(runs),
        command=report_command([str(run.path) for run in runs]),
        data=Markup(inert_json(found.head)),
    )


def marks_of(runs: Sequence[Run]) -> list[str]:
    """`[1]`, `[2]`, ...; nothing for a run alone."""
    return [""] if len(runs) == 1 else [f"[{at}]" for at in range(1, len(runs) + 1)]


def headline(run: Run) -> list[str]:
    """Names of a run's three figures: the parse rate, then the first useful metric in both its forms, then others.

    What has no value is left out, but for the parse rate.
    """
    measured = {name for name, value in run.summary.metrics.items() if not math.isnan(value.value)}
    first = first_useful(run.metrics, run.summary.measures)
    wanted = [PARSE_RATE] + ([] if first is None else [USEFUL + first, first])
    wanted += [metric.name for metric in run.metrics] + [BARE_RATE]
    return [name for name in dict.fromkeys(wanted) if name == PARSE_RATE or name in measured][:_HEADS]


def heads(run: Run) -> list[Headline]:
    """The three figures of a run."""
    found = []
    for name in headline(run):
        cell = figure_cell(name, run.summary.metrics[name])
        over = words.population(name, run.summary, run.metrics)
        found.append(Headline(words.title(name), cell.value, cell.interval, over))
    return found


def _tasks(runs: Sequence[Run]) -> str:
    return ", ".join(dict.fromkeys(run.manifest.task.name for run in runs))


def _overview(runs: Sequence[Run], marks: Sequence[str], names: Sequence[str]) -> WideTable:
    wanted = list(dict.fromkeys(name for run in runs for name in headline(run)))
    return _table("Headline", wanted, runs, marks, names)


def _figures(runs: Sequence[Run], marks: Sequence[str], names: Sequence[str]) -> WideTable:
    """Every figure, those of the first answers where a run asks again, and those of the task's appendix."""
    wanted = metrics_to_show(runs)
    table = _table("All figures", wanted, runs, marks, names)
    own = list(dict.fromkeys(name for run in runs for name in run.estimates))
    rows = [
        (mark, name, [*cells, *(FigureCell(as_text.appendix(run.estimates.get(one))) for one in own)])
        for (mark, name, cells), run in zip(table.rows, runs, strict=True)
    ]
    note = "A task's metric is over parsed answers; useful: failures count zero; raw: the first answers alone."
    return table._replace(columns=[*table.columns, *own], rows=rows, note=note)


def _table(
    title: str, wanted: Sequence[str], runs: Sequence[Run], marks: Sequence[str], names: Sequence[str]
) -> WideTable:
    rows = [
        (mark, name, [figure_cell(one, run.summary.metrics.get(one)) for one in wanted])
        for mark, name, run in zip(marks, names, runs, strict=True)
    ]
    return WideTable(title, titles(wanted), rows)


def panels(runs: Sequence[Run], marks: Sequence[str], names: Sequence[str]) -> list[BarPanel]:
    """A panel a figure with a bar a run; of one run, which has nothing to be beside, only what is between 0 and 1."""
    if len(runs) == 1:
        return _panels_of_one(runs[0])
    found = []
    for name in metrics_to_show(runs):
        rows = [
            Named(mark, called, run.summary.metrics[name])
            for mark, called, run in zip(marks, names, runs, strict=True)
            if name in run.summary.metrics
        ]
        found.append(panel(name, words.title(name), "", rows, _most(runs, [name])))
    return found


def _panels_of_one(run: Run) -> list[BarPanel]:
    """Rates on one axis, means of like size on another, each with what it is over."""
    metrics = {name: run.summary.metrics[name] for name in metrics_to_show([run])}
    known = {metric.name: metric.bounds for metric in run.metrics}
    groups: dict[str, list[str]] = {}
    for name in metrics:
        whole = name.removeprefix(RAW).removeprefix(USEFUL)
        own = known.get(whole)
        said = "Rates" if as_text.is_rate(name) else "Means" if own is None else f"Means {_between(*own)}"
        groups.setdefault(said, []).append(name)
    return [
        panel(own[0], title, "", [
            Named("", f"{words.title(name)} ({words.population(name, run.summary, run.metrics)})", metrics[name])
            for name in own
        ], _most([run], own))
        for title, own in groups.items()
    ]  # fmt: skip


def _most(runs: Sequence[Run], names: Sequence[str]) -> float:
    """The highest value that one of the figures can have in one of the runs."""
    return max(bounds_of(name, bounds(run.metrics))[1] for run in runs for name in names)


def _between(low: float | None, high: float | None) -> str:
    """`from 0 to 1`, `from 0 on`."""
    if low is None:
        return "" if high is None else f"up to {high:g}"
    return f"from {low:g} " + ("on" if high is None else f"to {high:g}")


def stacks(runs: Sequence[Run], marks: Sequence[str], names: Sequence[str]) -> list[Stack]:
    found = []
    for at, (mark, name, run) in enumerate(zip(marks, names, runs, strict=True)):
        if run.summary.raw_kinds is not None:
            found.append(stack(mark, f"{name}, first answers", "", run.summary.raw_kinds))
        again = ", final answers" if run.summary.raw_kinds is not None else ""
        found.append(stack(mark, name + again, at, run.summary.kinds))
    return found


def _kind_rows(runs: Sequence[Run], present: Sequence[str]) -> list[KindRow]:
    return [
        KindRow(
            kind,
            [f"{run.summary.kinds[kind]:,} ({as_text.share(run.summary.kinds[kind], run.summary.n)})" for run in runs],
            Kind(kind).meaning,
        )
        for kind in drawn_order(present)
    ]


def _verdicts(runs: Sequence[Run], marks: Sequence[str], names: Sequence[str]) -> WideTable | None:
    """The task's own word on the answers that kept their contract."""
    wanted = list(dict.fromkeys(name for run in runs for name in run.summary.verdicts))
    if not wanted:
        return None
    rows = []
    for mark, name, run in zip(marks, names, runs, strict=True):
        own, total = run.summary.verdicts, sum(run.summary.verdicts.values())
        given = [own.get(one, 0) for one in wanted]
        rows.append((mark, name, [FigureCell(f"{n:,}", as_text.share(n, total)) for n in given]))
    return WideTable("Verdicts on parsed answers", wanted, rows, "Counts, and shares of the parsed answers.")


def plots(runs: Sequence[Run]) -> list[CurvePlot]:
    """The headline figures against each setting that makes a line of runs."""
    wanted = list(dict.fromkeys(name for run in runs for name in headline(run)))[:_MOST_CURVES]
    return curves(runs, [run.summary.metrics for run in runs], wanted)


def _warnings(runs: Sequence[Run], marks: Sequence[str]) -> list[str]:
    """What a reader must know before the figures are believed."""
    found = []
    for mark, run in zip(marks, runs, strict=True):
        lines = [*run.notices, *(line for line in notes(run) if line.startswith("warning"))]
        if run.strays:
            lines.append(f"{len(run.strays):,} rows of the file are not this run's own, and left out")
        if run.without_row:
            lines.append(f"{run.without_row:,} samples that were asked for have no row: the run is not complete")
        if run.hidden:
            lines.append(f"{run.hidden:,} samples of an earlier, larger configuration are left out")
        found += [f"{mark} {line}".strip() for line in lines]
    return found
