"""Tables with a row an arm or run and a column a figure: values with intervals and changes below them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from listeval.runs.figures import as_text, words
from listeval.stats.intervals import Interval


class FigureCell(NamedTuple):
    """A value, its interval, and its change from a baseline with the interval of that, as words; any may be empty."""

    value: str
    interval: str = ""
    change: str = ""


class WideTable(NamedTuple):
    """`rows` are (mark, name, a cell for each column)."""

    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, str, Sequence[FigureCell]]]
    note: str = ""


def figure_cell(name: str, value: Interval | None, change: Interval | None = None) -> FigureCell:
    """The cell of one figure; empty where there is none."""
    if value is None:
        return FigureCell("")
    told = as_text.interval(name, value)
    plain = as_text.plain(name, value.value)
    moved = "" if change is None else as_text.change(name, change) + as_text.points(name)
    return FigureCell(plain, told.removeprefix(plain).strip(), "" if moved.startswith("n/a") else moved)


def titles(names: Sequence[str]) -> list[str]:
    """Figures as column heads."""
    return [words.title(name) for name in names]
