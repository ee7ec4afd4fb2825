"""Curves of a suite: as tables for terminal, Markdown and page, and as the numbers that the page draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from listeval.report.comparison.tables import FigureTable
from listeval.report.console import ReportConsole
from listeval.runs.figures import numbers, words
from listeval.visible import inline

if TYPE_CHECKING:
    from listeval.stats.intervals import Interval
    from listeval.suites.curves import Curve

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 360, 210, 46, 12, 12, 26
"""Of a drawing in its own units, and the room around what is drawn."""
_APART = 0.02
"""Of the width: how far series stand beside each other, so that no interval hides another."""
_LOG = 4.0
"""The last value over the first from which steps are drawn as ratios."""
SERIES = 8
"""Series that a drawing tells apart by colour and mark; the others are in the table."""


class Tick(NamedTuple):
    """A line of the grid and what stands at it."""

    at: float
    text: str


class DrawnPoint(NamedTuple):
    """A point, its interval (None where there is none) and what it says."""

    x: float
    y: float
    low: float | None
    high: float | None
    text: str


class Series(NamedTuple):
    """One curve in a panel; `number` is that of its colour and mark."""

    number: int
    name: str
    points: Sequence[DrawnPoint]

    @property
    def line(self) -> str:
        """The points as an SVG polyline has them."""
        return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in self.points)


class CurvePanel(NamedTuple):
    """One figure against one option, curves of one task together."""

    title: str
    option: str
    series: Sequence[Series]
    across: Sequence[Tick]
    up: Sequence[Tick]
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    right: int = _WIDTH - _RIGHT
    bottom: int = _HEIGHT - _BOTTOM


def curve_table(curve: Curve) -> FigureTable:
    """A line a point: the option, how many samples, the figures with their intervals."""
    header = [curve.option, "samples", *map(words.title, curve.figures)]
    rows = [
        [_number(point.x), f"{point.run.summary.n:,}", *(numbers.interval(n, x) for n, x in point.figures.items())]
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


def panels(curves: Sequence[Curve]) -> list[CurvePanel]:
    """For each option and task a drawing of each figure; axes fit the data."""
    alike: dict[tuple[str, str], list[Curve]] = {}
    for curve in curves:
        alike.setdefault((curve.option, curve.points[0].run.manifest.task.name), []).append(curve)
    return [
        _panel(option, name, [curve for curve in own if name in curve.figures][:SERIES])
        for (option, _), own in alike.items()
        for name in dict.fromkeys(figure for curve in own for figure in curve.figures)
        if _drawable(own, name)
    ]


def _drawable(curves: Sequence[Curve], name: str) -> bool:
    found = [point.figures[name].value for curve in curves for point in curve.points if name in point.figures]
    return sum(not math.isnan(value) for value in found) > 1


def _panel(option: str, name: str, curves: Sequence[Curve]) -> CurvePanel:
    xs = sorted({point.x for curve in curves for point in curve.points})
    seen = [end for curve in curves for point in curve.points for end in point.figures[name] if not math.isnan(end)]
    steps = _steps(min(seen), max(seen))
    ratios = xs[0] > 0 and xs[-1] / xs[0] >= _LOG
    series = [
        Series(at, curve.name, [
            _drawn(_across(point.x, xs, ratios) + (at - (len(curves) - 1) / 2) * _APART * _WIDTH,
                   point.figures[name], steps, f"{curve.name}, {option} {_number(point.x)}: "
                   f"{numbers.interval(name, point.figures[name])}")
            for point in curve.points if not math.isnan(point.figures[name].value)
        ])
        for at, curve in enumerate(curves)
    ]  # fmt: skip
    across = [Tick(_across(x, xs, ratios), _number(x)) for x in xs]
    up = [Tick(_up(step, steps), _mark(name, step)) for step in steps]
    task = curves[0].points[0].run.manifest.task.name
    return CurvePanel(f"{task}: {words.title(name)}", option, series, across, up)


def _drawn(x: float, value: Interval, steps: Sequence[float], text: str) -> DrawnPoint:
    ends = [None if math.isnan(end) else _up(end, steps) for end in (value.low, value.high)]
    return DrawnPoint(x, _up(value.value, steps), ends[0], ends[1], text)


def _across(x: float, xs: Sequence[float], ratios: bool) -> float:
    first, last, own = (math.log(v) if ratios else v for v in (xs[0], xs[-1], x))
    inner = 0.12
    share = inner + (1 - 2 * inner) * (own - first) / (last - first)
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _up(y: float, steps: Sequence[float]) -> float:
    share = (y - steps[0]) / (steps[-1] - steps[0])
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP)


def _steps(low: float, high: float) -> list[float]:
    """Three to seven round numbers around the data."""
    span = high - low or max(abs(high), 1.0) * 0.1
    power = 10 ** math.floor(math.log10(span / 4))
    step = next(n * power for n in (1, 2, 5, 10) if n * power * 4 >= span * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [n * step for n in range(first, max(last, first + 1) + 1)]


def _mark(name: str, y: float) -> str:
    return f"{100 * y:.4g} %" if numbers.is_rate(name) else f"{y:.4g}"


def _number(x: float) -> str:
    return f"{x:g}"
