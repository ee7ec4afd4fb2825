"""The page of a suite: its runs side by side, curves, failed runs, and a link to the page of each comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from listeval.report.comparison.tables import FigureTable
from listeval.report.curve_tables import curve_table
from listeval.report.heading import run_title
from listeval.report.page.render import render_page, write_text
from listeval.report.page.setting_curves import CurvePlot, SettingPoint, plot
from listeval.report.shown import kinds_to_show, metrics_to_show
from listeval.runs.figures import as_text, words
from listeval.runs.figures.as_text import share

if TYPE_CHECKING:
    from listeval.runs import Run
    from listeval.suites.curves import Curve


class GroupLine(NamedTuple):
    """What was found of one group of comparable runs; `page` is the file beside the suite's page, if there is one."""

    name: str
    text: str
    page: str


def suite_page(
    title: str, runs: Sequence[Run], failed: Sequence[str], curves: Sequence[Curve], groups: Sequence[GroupLine]
) -> str:
    """The page."""
    return render_page(
        "suite.html",
        title=title,
        facts=[f"{run.path.name}: {run_title(run)}; {words.counts(run.summary)}" for run in runs],
        failed=list(failed),
        groups=list(groups),
        plots=_plots(curves),
        curve_tables=[curve_table(curve) for curve in curves],
        tables=[_metrics(runs), _kinds(runs)] if runs else [],
    )


def write_suite_page(page: str, path: Path) -> None:
    """Raises UserError where the file cannot be written."""
    write_text(page, path)


def _plots(curves: Sequence[Curve]) -> list[CurvePlot]:
    """For each option a drawing of each figure, a line for each curve."""
    found = []
    for option in dict.fromkeys(curve.option for curve in curves):
        own = [curve for curve in curves if curve.option == option]
        points = [SettingPoint(curve.name, point.x, point.figures) for curve in own for point in curve.points]
        names = dict.fromkeys(name for curve in own for name in curve.figures)
        found += [plot(name, option, points) for name in names]
    return [one for one in found if one.lines]


def _metrics(runs: Sequence[Run]) -> FigureTable:
    """Runs are rows: a page has more room below than beside."""
    names = metrics_to_show(runs)
    further = list(dict.fromkeys(name for run in runs for name in run.estimates))
    rows = [
        [
            run.path.name,
            f"{run.summary.n:,}",
            *(as_text.interval(n, run.summary.metrics[n]) if n in run.summary.metrics else "" for n in names),
            *(as_text.appendix(run.estimates[name]) if name in run.estimates else "" for name in further),
        ]
        for run in runs
    ]
    header = ["run", "samples", *map(words.title, names), *further]
    return FigureTable("Figures", header, rows, "Brackets are 95 % intervals. useful: failures count zero.")


def _kinds(runs: Sequence[Run]) -> FigureTable:
    kinds = kinds_to_show(runs)
    rows = [
        [run.path.name, *(f"{n} ({share(n, run.summary.n)})" for n in (run.summary.kinds[k] for k in kinds))]
        for run in runs
    ]
    return FigureTable("Kinds of answers", ["run", *(kind.value for kind in kinds)], rows, "Kinds that occur.")
