"""A study's figures by matplotlib, as SVG: curves over λ, failure kinds, trajectories, budgets, caps.

matplotlib is imported only here, and only when a report is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any, NamedTuple

from listeval.errors import UserError
from listopd.cliff.report.gather import (
    Logs,
    ReportSeries,
    StudyReport,
    binding_class,
    logged_shares,
    logs_of,
    trajectory,
)
from listopd.cliff.report.tables import NAMES, RULES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"curve": "#7b3294", "flip": "#d95f02", "A": "#666666", "B": "#1b9e77"}
_PARSE, _FMC = "#2457a6", "#b3261e"
_STYLE: Mapping[str, Any] = {
    "svg.hashsalt": "listeval",
    "svg.fonttype": "none",
    # Names from a study may hold any sign.
    "text.parse_math": False,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.fontsize": 8,
}


class Figure(NamedTuple):
    """One drawing: a plain file name, its caption, and the SVG."""

    name: str
    caption: str
    svg: str
    wide: bool = False


def figures(found: StudyReport) -> list[Figure]:
    """Everything that the finished arms can show. Raises UserError where matplotlib is not installed."""
    with _matplotlib():
        return [*_curves(found), *_kinds(found), *_trajectories(found), *_midpoints(found)]


@contextmanager
def _matplotlib() -> Iterator[None]:
    try:
        import matplotlib
    except ImportError:
        install = "pip install 'listeval[train]'"
        raise UserError.missing_package("matplotlib", install, "the figures of a study") from None
    with matplotlib.rc_context(dict(_STYLE)):
        yield


def _curves(found: StudyReport) -> Iterator[Figure]:
    for at, one in enumerate(found.shown):
        if one.found is None:
            continue
        axes, svg = _axes()
        _points(axes, one)
        if one.target is not None:
            rates = [rate.value for rate in one.target.rates]
            axes.plot(one.target.lams, rates, color=_COLOURS["curve"], linestyle="--", label="target curve, untrained")
        _rules(axes, one)
        axes.set(xlabel="λ", ylabel="share of answers", ylim=(-0.02, 1.02))
        axes.legend(loc="best")
        seeds = f"{one.seeds} seeds, {one.prompts} prompts"
        yield Figure(f"curve-{at}.svg", f"{one.series.name}; {seeds}. Bars are 95 % intervals.", svg())


def _points(axes: Axes, one: ReportSeries) -> None:
    assert one.found is not None, "a series of one λ is not drawn"
    lams = [point.lam for point in one.points]
    for rates, colour, name in (
        (one.found.rates, _PARSE, "parse rate"),
        ([point.fmc for point in one.points], _FMC, "FMC"),
    ):
        values = [rate.value for rate in rates]
        below = [max(0.0, _gap(rate.value, rate.low)) for rate in rates]
        above = [max(0.0, _gap(rate.high, rate.value)) for rate in rates]
        axes.errorbar(lams, values, yerr=[below, above], color=colour, marker="o", markersize=3, capsize=2, label=name)
    axes.plot(lams, one.found.curve, color=_PARSE, linewidth=0.8, alpha=0.5)


def _gap(high: float, low: float) -> float:
    return 0.0 if math.isnan(high - low) else high - low


def _rules(axes: Axes, one: ReportSeries) -> None:
    """A line where each rule puts the cliff; off the grid, only a word in the legend."""
    low, high = one.points[0].lam, one.points[-1].lam
    for rule in RULES:
        told = one.estimates.of(rule)
        if rule == "curve" or math.isnan(told):
            continue
        if low <= told <= high:
            axes.axvline(told, color=_COLOURS[rule], linestyle=":", label=f"{NAMES[rule]} {told:.3f}")
        else:
            where = "none" if math.isinf(told) else f"{told:.3f}, off the grid"
            axes.plot([], [], color=_COLOURS[rule], linestyle=":", label=f"{NAMES[rule]} {where}")


def _kinds(found: StudyReport) -> Iterator[Figure]:
    for at, one in enumerate(found.shown):
        names = list(dict.fromkeys(kind for point in one.points for kind in point.kinds))
        if not names or len(one.points) < 2:
            continue
        axes, svg = _axes()
        lams = [point.lam for point in one.points]
        stacked = [[point.kinds.get(name, 0.0) for point in one.points] for name in names]
        axes.stackplot(lams, stacked, labels=names, alpha=0.85)
        axes.set(xlabel="λ", ylabel="share of answers", ylim=(0, 1))
        axes.legend(loc="upper left")
        yield Figure(f"kinds-{at}.svg", f"How answers fail. {one.series.name}; {one.seeds} seeds.", svg())


class _Panel(NamedTuple):
    """One figure over steps: its label, and by λ a line, or two of which the second is dashed."""

    label: str
    lines: Mapping[float, Sequence[tuple[list[int], list[float]]]]


def _trajectories(found: StudyReport) -> Iterator[Figure]:
    for at, one in enumerate(found.shown):
        if one.series.budget != max(arm.steps for arm in one.series.arms.values()):
            continue
        drawn = _logged(logs_of(one.series, found.out))
        if not drawn:
            continue
        panels, svg = _panels(len(drawn))
        for axes, panel in zip(panels, drawn, strict=True):
            for place, (lam, lines) in enumerate(panel.lines.items()):
                for style, (steps, values) in zip(("-", "--"), lines, strict=False):
                    label = f"{lam:g}" if style == "-" else None
                    axes.plot(steps, values, style, color=f"C{place % 10}", linewidth=1, label=label)
            axes.set(xlabel="step", ylabel=panel.label)
        panels[0].legend(title="λ", ncols=2)
        yield Figure(f"steps-{at}.svg", f"Training, mean over {one.seeds} seeds. {one.series.name}.", svg(), wide=True)


def _logged(logs: Logs) -> list[_Panel]:
    """A panel for everything that was logged."""
    binding = binding_class(logs)
    wanted: list[tuple[str, tuple[tuple[str, ...], ...]]] = [
        ("parse rate", (("parse_rate",),)),
        ("FMC", (("fmc",),)),
        ("reverse KL", (("reverse_kl",),)),
    ]
    if binding is not None:
        wanted.append((f"student at {binding}", (("theta", binding),)))
        wanted.append((f"teacher, base (dashed) at {binding}", (("p", binding), ("b", binding))))
    wanted += [(name.replace("_", " "), ((name,),)) for name in logged_shares(logs)]
    panels = [
        _Panel(label, {lam: [trajectory(by_seed, *path) for path in paths] for lam, by_seed in logs.items()})
        for label, paths in wanted
    ]
    return [panel for panel in panels if any(steps for lines in panel.lines.values() for steps, _ in lines)]


def _midpoints(found: StudyReport) -> Iterator[Figure]:
    """Midpoints against budget or cap, where arms differ only by that."""
    for name, words in (("budget", "steps"), ("cap", "cap c")):
        groups: dict[tuple[object, ...], list[ReportSeries]] = {}
        for one in found.shown:
            series = one.series
            values = {"cap": series.cap, "budget": series.budget}
            del values[name]
            if one.found is not None and one.found.midpoint is not None and math.isfinite(getattr(series, name)):
                key = (series.part, series.pair.name, series.method, series.lr, *values.values())
                groups.setdefault(key, []).append(one)
        lines = {key: mine for key, mine in groups.items() if len(mine) > 1}
        if lines:
            yield _against(name, words, list(lines.values()))


def _against(name: str, words: str, groups: Sequence[Sequence[ReportSeries]]) -> Figure:
    axes, svg = _axes()
    for mine in groups:
        at = [float(getattr(one.series, name)) for one in mine]
        middles = [one.found.midpoint for one in mine if one.found is not None and one.found.midpoint is not None]
        values = [middle.value for middle in middles]
        below = [_gap(middle.value, middle.low) for middle in middles]
        above = [_gap(middle.high, middle.value) for middle in middles]
        first = mine[0].series
        label = f"{first.part}: {first.pair.name}, {first.method}"
        bars = axes.errorbar(at, values, yerr=[below, above], marker="o", capsize=2, label=label)
        if name == "cap":
            stars = [one.estimates.B for one in mine]
            told = [star if math.isfinite(star) else math.nan for star in stars]
            axes.plot(at, told, linestyle=":", color=bars[0].get_color(), label=f"{label}, {NAMES['B']}")
    axes.set(xlabel=words, ylabel="midpoint of the parse rate, λ")
    axes.legend(loc="best")
    return Figure(f"midpoint-{name}.svg", f"The cliff's midpoint against {words}.", svg())


def _axes() -> tuple[Axes, Any]:
    panels, svg = _panels(1)
    return panels[0], svg


def _panels(columns: int) -> tuple[list[Axes], Any]:
    """Empty axes side by side, and what gives the SVG text once they are drawn; no window system is touched."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(5.2 if columns == 1 else 2.9 * columns, 3.2), layout="constrained")
    panels = [canvas.add_subplot(1, columns, at + 1) for at in range(columns)]

    def svg() -> str:
        text = StringIO()
        FigureCanvasSVG(canvas).print_svg(text, metadata={"Date": None})
        return text.getvalue()

    return panels, svg
