"""Curves of a suite as tables, for terminal, Markdown and page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from listeval.report.comparison.tables import FigureTable
from listeval.report.console import ReportConsole
from listeval.runs.figures import as_text, words
from listeval.visible import inline

if TYPE_CHECKING:
    from listeval.suites.curves import Curve


def curve_table(curve: Curve) -> FigureTable:
    """A line a point: the option, how many samples, the figures with their intervals."""
    header = [curve.option, "samples", *map(words.title, curve.figures)]
    rows = [
        [_number(point.x), f"{point.run.summary.n:,}", *(as_text.interval(n, x) for n, x in point.figures.items())]
        for point in curve.points
    ]
    return FigureTable(f"{curve.name}, by {curve.option}", header, rows)


def print_curves(curves: Sequence[Curve], console: Console | None = None) -> None:
    """A table a curve."""
    out = console or ReportConsole()
    for curve in curves:
        found = curve_table(curve)
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for name in found.header:
            table.add_column(Text(inline(name)), no_wrap=name in found.header[:2], overflow="fold")
        for row in found.rows:
            table.add_row(*map(inline, row))
        out.print()
        out.print(Text(inline(found.title), style="cyan"))
        out.print(table)


def _number(x: float) -> str:
    return f"{x:g}"
