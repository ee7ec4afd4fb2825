"""A comparison on a terminal of 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from listeval.report.comparison.headline import heads, subject
from listeval.report.comparison.sentence import sentence
from listeval.report.comparison.tables import FigureTable, facts, tables
from listeval.report.console import ReportConsole
from listeval.visible import inline

if TYPE_CHECKING:
    from listeval.comparison import Comparison

_NO_ROOM = ("effect", "training")
_LABEL, _HEADING, _LINE = 24, 28, 64
"""Cells of a label beside figures, of the heading above it, and of either beside a count alone."""


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """The verdict first, then what it rests on."""
    out = console or ReportConsole()
    out.print(Text(inline(sentence(comparison.verdict)), style="bold"))
    out.print()
    out.print(_heads(comparison))
    out.print()
    for line in facts(comparison):
        out.print(Text(inline(line)))
    for table in tables(comparison):
        out.print()
        out.print(_grid(table))
        if table.note:
            out.print(Text(inline(table.note), style="dim"))


def _heads(comparison: Comparison) -> Grid:
    """Three figures of the arm that the verdict is about."""
    verdict = comparison.verdict
    grid = Grid(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    grid.add_row(Text(_cut(inline(subject(verdict).name), _HEADING), style="cyan"))
    for head in heads(verdict):
        grid.add_row(*map(Text, (head.title, f"{head.before} → {head.after}", head.change)))
    return grid


def _grid(table: FigureTable) -> Grid:
    grid = Grid(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    shown = [at for at, name in enumerate(table.header) if name not in _NO_ROOM]
    figures = len(shown) > 2
    for at in shown:
        grid.add_column(Text(inline(table.header[at] or table.title)), overflow="fold", no_wrap=at == 0)
    for row in table.rows:
        if len(row) == 1:
            grid.add_row(Text(_cut(inline(row[0]), _HEADING if figures else _LINE), style="cyan"))
        else:
            empty = all(cell == "0" for cell in row[1:])
            cells = [inline(row[at]).removesuffix(" points") for at in shown]
            label = _cut(cells[0], _LABEL if figures else _LINE)
            grid.add_row(Text(label), *map(Text, cells[1:]), style="dim" if empty else "")
    return grid


def _cut(label: str, most: int) -> str:
    """A label that leaves room for what stands beside it; its mark says which arm it is."""
    return label if cell_len(label) <= most else set_cell_size(label, most - 1) + "…"
