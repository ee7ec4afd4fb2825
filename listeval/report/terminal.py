"""Tables on a terminal of 80 columns: metrics with intervals, then the whole failure taxonomy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from listeval.contract import Kind
from listeval.report.console import ReportConsole
from listeval.report.constrained import notes
from listeval.report.heading import run_title
from listeval.runs.figures.columns import RAW
from listeval.runs.figures.numbers import appendix, interval, share
from listeval.runs.figures.words import counts, population
from listeval.visible import inline

if TYPE_CHECKING:
    from listeval.runs import Run

_STACK_FROM = 3
"""So many runs side by side do not fit 80 columns; then each run is a table of its own."""


def print_runs(runs: Sequence[Run], console: Console | None = None) -> None:
    """One run: metrics and the failure table with meanings. Several: side by side, or stacked from three on."""
    out = console or ReportConsole()
    if len(runs) >= _STACK_FROM:
        for run in runs:
            print_runs([run], out)
        return
    for run in runs:
        out.print(Text(f"{_name(run)}: {run_title(run)}\n{counts(run.summary)}"))
    for table in (_metrics(runs), _kinds(runs), *([_verdicts(runs)] if _verdict_names(runs) else [])):
        out.print()
        out.print(table)
    for run in runs:
        flags = ", ".join(f"{name} {n}" for name, n in run.summary.flags.items() if n)
        if flags:
            out.print(Text(f"flags of {_name(run)}: {inline(flags)}", style="dim"))
        for notice in run.notices:
            out.print(Text(f"{_name(run)}: {inline(notice)}", style="yellow"))
        for line in notes(run):
            out.print(Text(inline(line), style="yellow" if line.startswith("warning") else "dim"))


def _name(run: Run) -> str:
    return inline(run.path.resolve().name)


def _table(runs: Sequence[Run], first: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column(first, no_wrap=True)
    for run in runs:
        table.add_column(Text(_name(run) if len(runs) > 1 else "value [95 % interval]"), overflow="fold")
    return table


def _metrics(runs: Sequence[Run]) -> Table:
    if len(runs) == 1 and runs[0].summary.further:
        return _first_and_final(runs[0])
    table = _table(runs, "metric")
    names = list(dict.fromkeys(name for run in runs for name in run.summary.metrics))
    if len(runs) == 1:
        table.add_column("over", style="dim")
    for name in names:
        found = [run.summary.metrics.get(name) for run in runs]
        cells = [interval(name, value) if value is not None else "" for value in found]
        over = [population(name, runs[0].summary, runs[0].metrics)] if len(runs) == 1 else []
        table.add_row(inline(name), *cells, *over)
    for name in dict.fromkeys(name for run in runs for name in run.figures):
        cells = [appendix(run.figures.get(name)) for run in runs]
        table.add_row(inline(name), *cells, *(["the whole run"] if len(runs) == 1 else []))
    return table


def _first_and_final(run: Run) -> Table:
    """Metrics of a run that asks again: the first answers beside the final ones."""
    table = Table("metric", "first answers", "final answers", box=None, pad_edge=False, header_style="bold")
    found = run.summary.metrics
    for name, final in found.items():
        if (raw := found.get(RAW + name)) is not None:
            table.add_row(name, interval(name, raw), interval(name, final))
    for name, value in run.figures.items():
        table.add_row(name, "", appendix(value))
    return table


def _verdict_names(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in run.summary.verdicts))


def _verdicts(runs: Sequence[Run]) -> Table:
    """The task's own word on the answers that kept their contract."""
    table = _table(runs, "verdict")
    if len(runs) == 1:
        table.columns[1].header = Text("n (share of parsed)")
    for name in _verdict_names(runs):
        found = [(run.summary.verdicts.get(name, 0), sum(run.summary.verdicts.values())) for run in runs]
        cells = [f"{n} ({share(n, total)})" for n, total in found]
        table.add_row(inline(name), *cells, style="" if any(n for n, _ in found) else "dim")
    return table


def _kinds(runs: Sequence[Run]) -> Table:
    return _kinds_of_one(runs[0]) if len(runs) == 1 else _kinds_side_by_side(runs)


def _kinds_of_one(run: Run) -> Table:
    # Only the meaning gives way to a narrow terminal.
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0), expand=True)
    table.add_column("kind", no_wrap=True)
    raw = run.summary.raw_kinds
    if raw is not None:
        table.add_column("first", no_wrap=True, justify="right")
    table.add_column("n", no_wrap=True, justify="right")
    table.add_column("share", no_wrap=True, justify="right")
    table.add_column("meaning", style="dim", overflow="ellipsis", no_wrap=True, ratio=1)
    for kind in Kind:
        n = run.summary.kinds[kind]
        first = [] if raw is None else [str(raw[kind])]
        style = "" if n or first not in ([], ["0"]) else "dim"
        table.add_row(kind.value, *first, str(n), share(n, run.summary.n), kind.meaning, style=style)
    return table


def _kinds_side_by_side(runs: Sequence[Run]) -> Table:
    table = _table(runs, "kind")
    for kind in Kind:
        found = [run.summary.kinds[kind] for run in runs]
        cells = [f"{n} ({share(n, run.summary.n)})" for n, run in zip(found, runs, strict=True)]
        table.add_row(kind.value, *cells, style="" if any(found) else "dim")
    return table
