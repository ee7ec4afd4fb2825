"""The page of a suite: its runs side by side, curves, failed runs, and a link to the page of each comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from listeval.errors import UserError
from listeval.report.comparison.page import page_environment, templates
from listeval.report.comparison.tables import FigureTable
from listeval.report.curves import curve_table, panels
from listeval.report.heading import run_title
from listeval.report.shown import kinds_to_show, metrics_to_show
from listeval.runs.figures import numbers, words
from listeval.runs.figures.numbers import share
from listeval.visible import inline

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
    """The page; names, titles and errors are somebody else's text, so all of it is escaped and made visible."""
    from markupsafe import Markup

    from listeval import __version__

    return page_environment().get_template("suite.html").render(
        title=inline(title),
        version=__version__,
        style=Markup((templates() / "comparison.css").read_text(encoding="utf-8")),
        facts=[inline(f"{run.path.name}: {run_title(run)}; {words.counts(run.summary)}") for run in runs],
        failed=list(map(inline, failed)),
        groups=[GroupLine(*map(inline, group)) for group in groups],
        panels=panels(curves),
        curve_tables=[curve_table(curve) for curve in curves],
        tables=[_metrics(runs), _kinds(runs)] if runs else [],
    )  # fmt: skip


def write_suite_page(page: str, path: Path) -> None:
    """Raises UserError where the file cannot be written."""
    try:
        path.write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(
            f"cannot write the page: {error.strerror}", place=str(path), fix="choose another --out"
        ) from None


def _metrics(runs: Sequence[Run]) -> FigureTable:
    """Runs are rows: a page has more room below than beside."""
    names = metrics_to_show(runs)
    further = list(dict.fromkeys(name for run in runs for name in run.estimates))
    rows = [
        [
            inline(run.path.name),
            f"{run.summary.n:,}",
            *(numbers.interval(n, run.summary.metrics[n]) if n in run.summary.metrics else "" for n in names),
            *(numbers.appendix(run.estimates[name]) if name in run.estimates else "" for name in further),
        ]
        for run in runs
    ]
    header = ["run", "samples", *map(words.title, names), *map(inline, further)]
    return FigureTable("Figures", header, rows, "Brackets are 95 % intervals. useful: failures count zero.")


def _kinds(runs: Sequence[Run]) -> FigureTable:
    kinds = kinds_to_show(runs)
    rows = [
        [inline(run.path.name), *(f"{n} ({share(n, run.summary.n)})" for n in (run.summary.kinds[k] for k in kinds))]
        for run in runs
    ]
    return FigureTable("Kinds of answers", ["run", *(kind.value for kind in kinds)], rows, "Kinds that occur.")
