"""A target curve as a figure: parse rate and FMC against λ with its thresholds, and what answers break as, stacked."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from listeval.errors import UserError
from listopd.curve.curve_result import TargetCurve, TargetPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".svg", ".pdf", ".png")
_PARSE, _FMC, _MARK = "#2457a6", "#c2571a", "#555555"
_SIZE = (7.0, 6.0)


def require_matplotlib() -> None:
    """Raises UserError where it is missing, before the work."""
    if find_spec("matplotlib") is None:
        raise UserError.missing_package("matplotlib", "pip install 'listeval[train]'", "the figure of the curve")


def draw_curve(curve: TargetCurve, path: Path) -> None:
    """Write the figure; its suffix says in which format. The same curve gives the same bytes as SVG."""
    require_matplotlib()
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "listeval", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=_SIZE, layout="constrained")
        FigureCanvasAgg(figure)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        _rates(above, curve)
        _kinds(below, curve)
        above.set_title(f"Untrained target: {curve.shown} (floor {curve.floor:g}, {len(curve.prompts)} prompts)")
        dates: dict[str, Any] = {"Date": None} if path.suffix == ".svg" else {}
        figure.savefig(path, metadata=dates or None)


def _drawn(curve: TargetCurve) -> list[TargetPoint]:
    """Without λ below 1, which pulls to the base."""
    return [point for point in curve.points if point.lam >= 1]


def _rates(axes: Axes, curve: TargetCurve) -> None:
    points = _drawn(curve)
    lams = [point.lam for point in points]
    for name, colour, label in (("parse_rate", _PARSE, "parse rate"), ("fmc", _FMC, "FMC")):
        found = [point.metrics[name] for point in points]
        axes.fill_between(lams, [one.low for one in found], [one.high for one in found], color=colour, alpha=0.15)
        axes.plot(lams, [one.value for one in found], color=colour, marker="o", markersize=3, label=label)
    axes.plot(curve.cliff.lams, curve.cliff.curve, color=_PARSE, linestyle=":", label="isotonic fit")
    _marks(axes, curve)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("share of answers")
    axes.legend(loc="best", frameon=False)


def _marks(axes: Axes, curve: TargetCurve) -> None:
    last = curve.points[-1].lam
    if (middle := curve.cliff.midpoint) is not None:
        axes.axvline(middle.value, color=_PARSE, linewidth=1, label=f"midpoint {middle.value:.3f}")
        if not math.isnan(middle.low):
            axes.axvspan(middle.low, middle.high, color=_PARSE, alpha=0.1)
    for found in curve.thresholds:
        named = (
            ("λ*(B)", found.operating.value, "--"),
            ("λ*(A)", found.safety.value, ":"),
            ("λ_flip", found.flip, "-."),
        )
        for name, value, style in named:
            if value <= last:
                label = f"{name} {value:.3f} on {found.source}"
                axes.axvline(value, color=_MARK, linewidth=1, linestyle=style, label=label)


def _kinds(axes: Axes, curve: TargetCurve) -> None:
    points = _drawn(curve)
    names = sorted({name for point in points for name in point.kinds if name != "ok"})
    lams = [point.lam for point in points]
    columns = [[point.kinds.get(name, 0) / point.n for point in points] for name in names]
    if names:
        axes.stackplot(lams, columns, labels=names, alpha=0.8)
        axes.legend(loc="best", frameon=False)
    axes.set_ylim(0, 1)
    axes.set_ylabel("broken answers")
    axes.set_xlabel("λ")
