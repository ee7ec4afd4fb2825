"""A probe on a terminal of 80 columns: what the answers were, p and b by class and item, λ* and the verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from listeval.report.console import ReportConsole
from listeval.report.explain import visible
from listeval.stats.intervals import Interval
from listopd.curve.curve_terminal import print_curve
from listopd.probe.probe_result import ProbeResult, RolloutCounts
from listopd.probe.summary import Bound, ProbePart, ProbeRow
from listopd.threshold.evidence import Measured
from listopd.tokens import TokenClass

_NAMES = {
    "max_of_prompt_mean": "largest prompt mean",
    "mean": "mean of prompts",
    "logit_mean": "mean log-odds",
    "position_max": "largest position",
}
_AFTER_ITEM = (TokenClass.NEXT_ITEM, TokenClass.CLOSE_LIST)
_NO_ITEMS = 2
"""So few rows by item say no more than the classes do."""


def print_probe(result: ProbeResult, console: Console | None = None) -> None:
    """Every part of a probe."""
    out = console or ReportConsole()
    out.print(Text(visible(result.shown), style="bold"))
    out.print(Text(_prompts(result)))
    if result.rollouts:
        out.print(Text(_rollouts(result.rollouts)))
    for part in result.parts:
        config = result.manifest["config"]
        out.print()
        title = "right answers" if part.source == "gold" else "rollouts"
        out.print(Text(f"On {title}: {part.steps:,} steps of {part.prompts} prompts", style="bold"))
        out.print(_classes(part))
        items = [row for row in part.items if row.kind in _AFTER_ITEM]
        if len(items) > _NO_ITEMS:
            out.print()
            out.print(_items(items))
        out.print()
        if part.bounds:
            out.print(_bounds(part.bounds, config["clip"]))
        out.print(Text(_note(part, config["scaffold"]), style="dim"))
        if part.verdict.measured.prompts:
            out.print(Text(_known(part.verdict.measured), style="dim"))
        out.print(Text(visible(part.verdict.sentence), style="bold"))
    if result.curve is not None:
        print_curve(result.curve, out)


def _prompts(result: ProbeResult) -> str:
    counts = result.manifest["prompts"]
    left_out = f", {counts['too_long']} too long and left out" if counts["too_long"] else ""
    temperature = result.manifest["config"]["score_temperature"]
    at = "" if temperature == 1 else f", at temperature {temperature:g}"
    return f"{counts['measured']} prompts{left_out}; p: {visible(_name(result, 'teacher'))}, b: {_base(result)}{at}"


def _base(result: ProbeResult) -> str:
    return visible(_name(result, "base"))


def _name(result: ProbeResult, role: str) -> str:
    return str(result.manifest["models"][role]["name"])


def _rollouts(found: RolloutCounts) -> str:
    broken = ", ".join(f"{name} {n}" for name, n in found.kinds.items() if name != "ok")
    said = f"{found.n} rollouts of {visible(found.writer)}: {found.parsed} keep the contract"
    return said + (f"; {broken}" if broken else "") + (f" (FMC {found.fmc})" if found.fmc else "")


def _table(first: str, columns: Iterable[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column(first, no_wrap=True)
    for name in columns:
        table.add_column(Text(name), no_wrap=True, justify="right")
    return table


def _classes(part: ProbePart) -> Table:
    table = _table("step", ("n", "p mean", "p 5 %", "b mean", "b 5 %", "λ*", "share"))
    for row in part.classes:
        share = "" if math.isnan(row.share) else f"{100 * row.share:.0f} %"
        table.add_row(Text(row.kind.meaning), f"{row.n:,}", *_pair(row), _star(row.star), share)
    return table


def _items(rows: list[ProbeRow]) -> Table:
    table = _table("item", ("step", "n", "p mean", "p 5 %", "b mean", "b 5 %", "λ*"))
    for row in sorted(rows, key=lambda row: (row.item or 0, row.kind)):
        table.add_row(str(row.item), Text(row.kind.meaning), f"{row.n:,}", *_pair(row), _star(row.star))
    return table


def _pair(row: ProbeRow) -> tuple[str, ...]:
    return tuple(_probability(value) for value in (row.p.mean, row.p.q05, row.b.mean, row.b.q05))


def _bounds(bounds: tuple[Bound, ...], clip: float) -> Table:
    table = _table(f"threshold at c = {clip:g}", ("p", "b", "λ*", "95 % interval"))
    for bound in bounds:
        if bound.aggregator in _NAMES:
            form = f"({bound.form}) " if bound.form else "    "
            cells = _probability(bound.p), _probability(bound.b), _star(bound.star.value), _interval(bound.star)
            table.add_row(Text(form + _NAMES[bound.aggregator]), *cells, style="" if bound.form else "dim")
    return table


def _note(part: ProbePart, least: float) -> str:
    said = f"Thresholds: {part.scaffold:,} scaffold tokens with p of {least:g} or more"
    if part.scaffold:
        said += f"; the tightest of them has λ* {_star(part.tightest)}"
        if any(bound.form == "A" and bound.star.value > part.tightest for bound in part.bounds):
            # (A) takes the largest mean of a prompt, as the paper does, and one position can bind before it.
            said += ", so (A) is no safe bound here, and its interval shows sensitivity only"
    return f"{said}. Left to the next token: {100 * part.undecided:.2g} % of the probability."


def _known(found: Measured) -> str:
    """How well the figures of form (B) are known."""
    alone = f", {found.units} of them independent" if found.units < found.prompts else ""
    said = f"Over {found.prompts} prompts{alone}: p {_within(found.p)}, b {_within(found.b)}"
    if found.binding:
        share = f"{100 * found.share.value:.0f} % of the log-ratio"
        known = "" if math.isnan(found.share.low) else f" [{100 * found.share.low:.0f}, {100 * found.share.high:.0f}]"
        said += f"; '{found.binding}' holds {share}{known}"
    return f"{said}; 95 % intervals."


def _within(found: Interval) -> str:
    limits = "" if math.isnan(found.low) else f" [{_probability(found.low)}, {_probability(found.high)}]"
    return _probability(found.value) + limits


def _probability(value: float) -> str:
    """Five digits, and more of what is missing where those would be 1."""
    return f"{value:.5f}" if value < 0.999995 else f"1-{1 - value:.0e}"


def _star(value: float) -> str:
    return "none" if math.isinf(value) else "n/a" if math.isnan(value) else f"{value:.3f}"


def _interval(found: Interval) -> str:
    return "n/a" if math.isnan(found.low) else f"[{_star(found.low)}, {_star(found.high)}]"
