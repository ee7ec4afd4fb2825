"""The figures of runs for papers, by matplotlib: bars with intervals, failure kinds, lines against a setting.

They are of the same numbers as the page's, and the same runs give the same bytes. matplotlib is imported only here, and
only when figures are written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from listeval.disk import write_atomic
from listeval.errors import UserError
from listeval.report.page.bars import BarPanel
from listeval.report.page.kind_groups import COLOURS
from listeval.report.page.run_page import marks_of, panels, plots, stacks
from listeval.report.page.samples import names_of
from listeval.report.page.setting_curves import CurvePlot
from listeval.report.page.stacks import Stack
from listeval.visible import inline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from listeval.runs import Run

_STYLE: Mapping[str, Any] = {
    "svg.hashsalt": "listeval",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    # Names may hold any sign.
    "text.parse_math": False,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "legend.fontsize": 8,
}
_HATCHES = ("", "///", "...", "---", "\\\\\\", "xxx")
"""By the number of a kind's texture."""
_LINES = ("-", "--", ":", "-.", (0, (4, 4)), (0, (8, 3)))
_INK = "#2457a6"
_WIDTH = 6.0
"""Inches."""


def write_drawings(runs: Sequence[Run], folder: Path) -> list[Path]:
    """SVG and PDF of every figure; the files. Raises UserError without matplotlib, or where none can be written."""
    marks, names = marks_of(runs), names_of(runs)
    written = []
    with _matplotlib(), _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in _drawn(runs, marks, names):
            for form, dated in (("svg", "Date"), ("pdf", "CreationDate")):
                data = BytesIO()
                figure.savefig(data, format=form, bbox_inches="tight", metadata={dated: None})
                path = folder / f"{_plain(name)}.{form}"
                write_atomic(path, data.getvalue())
                written.append(path)
    return written


def _drawn(runs: Sequence[Run], marks: Sequence[str], names: Sequence[str]) -> Iterator[tuple[str, Figure]]:
    for panel in panels(runs, marks, names):
        yield panel.title, _bars(panel)
    yield "failure kinds", _kinds(stacks(runs, marks, names))
    for plot in plots(runs):
        yield f"{plot.figure} against {plot.setting}", _lines(plot)


@contextmanager
def _matplotlib() -> Iterator[None]:
    try:
        import matplotlib
    except ImportError:
        raise UserError.missing_package("matplotlib", "pip install 'listeval[figures]'", "figures of runs") from None
    with matplotlib.rc_context(dict(_STYLE)):
        yield


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        cause = f"cannot write the figures: {error.strerror}"
        raise UserError(cause, place=str(folder), fix="name another folder") from None


def _axes(height: float) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height))
    return figure, figure.add_subplot()


def _bars(panel: BarPanel) -> Figure:
    """A row a run, or a figure: point and interval, on the page's axis."""
    figure, axes = _axes(0.9 + 0.32 * len(panel.rows))
    for at, row in enumerate(panel.rows):
        value, low, high = (panel.axis.value(x) for x in (row.value.at, row.value.low, row.value.high))
        ends = None if math.isnan(low) else [[max(0.0, value - low)], [max(0.0, high - value)]]
        axes.errorbar([value], [at], xerr=ends, fmt="o", color=_INK, capsize=3)
    _name_rows(axes, [f"{row.mark} {row.name}" for row in panel.rows])
    _name_ticks(axes.set_xticks, panel.axis.ticks, panel.axis.value)
    axes.set(xlim=(panel.axis.low, panel.axis.high), title=inline(panel.title))
    axes.grid(axis="x")
    return figure


def _kinds(rows: Sequence[Stack]) -> Figure:
    figure, axes = _axes(1.2 + 0.4 * len(rows))
    told = set()
    for at, row in enumerate(rows):
        for part in row.parts:
            label = None if part.kind in told else part.kind
            told.add(part.kind)
            axes.barh(
                at, part.share, left=part.start, label=label, color=COLOURS[part.group], edgecolor="white",
                linewidth=0.6, hatch=_HATCHES[part.texture],
            )  # fmt: skip
    _name_rows(axes, [f"{row.mark} {row.name}" for row in rows])
    axes.set(xlim=(0, 100), xlabel="% of samples")
    if told:
        axes.legend(ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.6 / (0.4 * len(rows) + 0.6)))
    return figure


def _lines(plot: CurvePlot) -> Figure:
    figure, axes = _axes(3.2)
    for line in plot.lines:
        xs, ys, lows, highs = (
            [axis.value(getattr(dot, name)) for dot in line.dots]
            for axis, name in ((plot.x, "x"), (plot.y, "y"), (plot.y, "low"), (plot.y, "high"))
        )
        below = [0.0 if math.isnan(low) else y - low for y, low in zip(ys, lows, strict=True)]
        above = [0.0 if math.isnan(high) else high - y for y, high in zip(ys, highs, strict=True)]
        style = _LINES[line.style] if plot.joined else ""
        axes.errorbar(xs, ys, yerr=[below, above], marker="o", linestyle=style, capsize=3, label=inline(line.name))
    _name_ticks(axes.set_xticks, plot.x.ticks, plot.x.value)
    _name_ticks(axes.set_yticks, plot.y.ticks, plot.y.value)
    axes.set(xlabel=inline(plot.setting), ylabel=inline(plot.figure))
    axes.grid(axis="y")
    if len(plot.lines) > 1:
        axes.legend()
    return figure


def _name_rows(axes: Any, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [inline(name.strip()) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)


def _name_ticks(place: Callable[..., Any], ticks: Sequence[Any], value: Callable[[float], float]) -> None:
    place([value(tick.at) for tick in ticks], [tick.text for tick in ticks])


def _plain(name: str) -> str:
    """A figure's name as a file's."""
    return re.sub(r"[^\w@.-]+", "-", name.replace("λ", "lambda")).strip("-.") or "figure"
