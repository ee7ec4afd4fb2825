"""Bars of one figure, an arm or a run a row: values with intervals, and differences from the baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from listeval.report.page.axis import Axis, fitted
from listeval.runs.figures import as_text
from listeval.stats.intervals import Interval


class BarMark(NamedTuple):
    """Where a value and the ends of its interval stand on an axis, 0 to 100; NaN is not drawn. `text`: the numbers."""

    at: float
    low: float
    high: float
    text: str


class BarRow(NamedTuple):
    """One row: a mark such as `[2]`, a name, the value, and where there is a baseline the change."""

    mark: str
    name: str
    value: BarMark
    change: BarMark | None = None
    shown: bool = False
    """Whether the change is shown to be one."""


class BarPanel(NamedTuple):
    """Rows on one axis of values, from where bars begin (0 to 100), and one axis of changes."""

    title: str
    note: str
    axis: Axis
    zero: float
    rows: list[BarRow]
    change_axis: Axis | None = None
    change_zero: float = 0.0


class Named(NamedTuple):
    """What a row is made of."""

    mark: str
    name: str
    value: Interval
    change: Interval | None = None
    change_text: str = ""
    shown: bool = False


def panel(figure: str, title: str, note: str, rows: Sequence[Named]) -> BarPanel:
    """A panel of `figure`, whose name says in which units it is written."""
    scale, unit = (100.0, " %") if as_text.is_rate(figure) else (1.0, "")
    axis = fitted([x for row in rows for x in row.value], scale=scale, unit=unit)
    changes = [row.change for row in rows if row.change is not None]
    drawn = [x for change in changes for x in change]
    moves = fitted(drawn, scale=scale, sign=True) if changes else None
    return BarPanel(
        title,
        note,
        axis,
        axis.at(0.0),
        [_row(figure, row, axis, moves) for row in rows],
        moves,
        0.0 if moves is None else moves.at(0.0),
    )


def _row(figure: str, row: Named, axis: Axis, moves: Axis | None) -> BarRow:
    value = _mark(row.value, axis, as_text.interval(figure, row.value))
    change = None if row.change is None or moves is None else _mark(row.change, moves, row.change_text)
    return BarRow(row.mark, row.name, value, change, row.shown)


def _mark(value: Interval, axis: Axis, text: str) -> BarMark:
    low, high = (math.nan, math.nan) if math.isnan(value.low) else (axis.at(value.low), axis.at(value.high))
    return BarMark(axis.at(value.value), low, high, text)
