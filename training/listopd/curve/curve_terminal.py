"""A target curve on a terminal of 80 columns: rates by λ, what breaks, where λ* and λ_flip lie, and the advice."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table
from rich.text import Text

from listeval.report.console import ReportConsole
from listeval.report.explain import visible
from listeval.stats.intervals import Interval
from listopd.curve.curve_result import TargetCurve, TargetPoint

_USEFUL = "useful_ndcg@1"
_KINDS = 2
"""So many kinds of failure are named in a row."""


def print_curve(curve: TargetCurve, console: Console | None = None) -> None:
    """The whole curve."""
    out = console or ReportConsole()
    out.print()
    title = f"Target curve, untrained: {len(curve.prompts)} prompts, base floor {curve.floor:g}"
    out.print(Text(title, style="bold"))
    out.print(_table(curve))
    for line in _lines(curve):
        out.print(Text(line, style="dim"))
    out.print(Text(visible(curve.advice), style="bold"))


def _table(curve: TargetCurve) -> Table:
    metric = next((name for name in (_USEFUL, *_useful(curve)) if _has_value(curve, name)), None)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("λ", no_wrap=True)
    names = ["parse", "95 %", "FMC", *([metric.removeprefix("useful_") + " useful"] if metric else [])]
    for name in names:
        table.add_column(Text(name), no_wrap=True, justify="right")
    table.add_column("breaks as")
    for point in curve.points:
        parse = point.parse_rate
        cells = [f"{parse.value:.3f}", f"[{parse.low:.2f}, {parse.high:.2f}]", f"{point.metrics['fmc'].value:.3f}"]
        if metric:
            cells.append(f"{point.metrics[metric].value:.3f}")
        table.add_row(f"{point.lam:g}", *map(Text, cells), Text(_broken(point)))
    return table


def _useful(curve: TargetCurve) -> list[str]:
    return [name for name in curve.points[0].metrics if name.startswith("useful_")]


def _has_value(curve: TargetCurve, name: str) -> bool:
    """Whether a figure was measured at all: without labels a useful metric is not."""
    return any(name in point.metrics and not math.isnan(point.metrics[name].value) for point in curve.points)


def _broken(point: TargetPoint) -> str:
    kinds = sorted((-n, name) for name, n in point.kinds.items() if name != "ok")
    return ", ".join(f"{name} {-n}" for n, name in kinds[:_KINDS])


def _lines(curve: TargetCurve) -> list[str]:
    cliff, test = curve.cliff, curve.self_test
    said = [
        f"Self-test: λ = 0 gives {test.base} of {test.prompts} answers of the base token for token, "
        f"λ = 1 {test.teacher} of the teacher.",
        f"Plateau {_rate(cliff.plateau)}, floor {_rate(cliff.floor)}, drop {_rate(cliff.drop)}.",
    ]
    if cliff.midpoint is not None and cliff.onset is not None:
        said.append(f"Midpoint {_lam(cliff.midpoint)}, onset {_lam(cliff.onset)}.")
    for found in curve.thresholds:
        where = "right answers" if found.source == "gold" else found.source
        flip = "none" if found.flip_kind is None else f"{found.flip:.3f} at '{found.flip_kind.meaning}'"
        flip += f" of item {found.flip_item}" if found.flip_kind is not None and found.flip_item else ""
        said.append(f"On {where}: λ*(A) {_lam(found.safety)}, λ*(B) {_lam(found.operating)}, λ_flip {flip}.")
    if curve.floor:
        rare = f"what the base writes less often than {curve.floor:g} is left out, though long training may reach it"
        said.append(f"Beyond λ = 1 {rare}: --floor 0 shows that.")
    return said


def _rate(found: Interval) -> str:
    return f"{found.value:.3f}" + ("" if math.isnan(found.low) else f" [{found.low:.3f}, {found.high:.3f}]")


def _lam(found: Interval) -> str:
    if math.isnan(found.value):
        return "n/a"
    if math.isinf(found.value):
        return "none"
    return _rate(found)
