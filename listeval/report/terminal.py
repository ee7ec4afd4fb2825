"""Tables on a terminal: metrics with intervals, then the failures, runs beside each other as far as they fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from listeval.contract import Kind
from listeval.report.console import ReportConsole
from listeval.report.constrained import notes
from listeval.report.heading import run_title
from listeval.report.shown import kinds_to_show, metrics_to_show
from listeval.runs.figures.as_text import appendix, interval, share
from listeval.runs.figures.columns import RAW
from listeval.runs.figures.words import counts, population
from listeval.visible import inline

if TYPE_CHECKING:
    from listeval.runs import Run

_NAME, _CELL = 22, 24
"""Columns for a row's name and for a run: a rate with its interval, and the space after it."""

_Draw = Callable[[Sequence["Run"], bool], Table]
"""A table of some runs, and whether there are no others."""


def print_runs(runs: Sequence[Run], console: Console | None = None, *, all_kinds: bool = False) -> None:
    """One run: metrics and the failure table with meanings. Several: columns side by side, as many as fit the width.

    Kinds that occur in no run are counted; `all_kinds` lists them.
    """
    out = console or ReportConsole()
    for run in runs:
        out.print(Text(f"{_name(run)}: {run_title(run)}\n{counts(run.summary)}"))
    for alike in _by_task(runs):
        _print_tables(alike, out, alone=len(runs) == 1, all_kinds=all_kinds)
    _print_remarks(runs, out)


def _by_task(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs whose tables have the same rows, in the order in which they first come up."""
    found: dict[object, list[Run]] = {}
    for run in runs:
        found.setdefault((run.manifest.task.name, tuple(run.summary.verdicts)), []).append(run)
    return list(found.values())


def _print_tables(runs: Sequence[Run], out: Console, *, alone: bool, all_kinds: bool) -> None:
    def show(draw: _Draw) -> None:
        for some in _abreast(runs, out.width):
            out.print()
            out.print(draw(some, alone))

    kinds = kinds_to_show(runs, all_kinds=all_kinds)
    show(partial(_metrics, metrics_to_show(runs)))
    show(partial(_kinds, kinds))
    if len(kinds) < len(Kind):
        out.print(Text(f"{len(Kind) - len(kinds)} other kinds did not occur (listeval report --all)", style="dim"))
    if _verdict_names(runs):
        show(_verdicts)


def _abreast(runs: Sequence[Run], width: int) -> Iterator[Sequence[Run]]:
    """Runs in groups that fit beside each other, two at least, groups as even as can be."""
    most = max(2, (width - _NAME) // _CELL)
    groups = -(-len(runs) // most)
    for at in range(groups):
        yield runs[len(runs) * at // groups : len(runs) * (at + 1) // groups]


def _print_remarks(runs: Sequence[Run], out: Console) -> None:
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


def _table(runs: Sequence[Run], first: str, alone: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column(first, no_wrap=True)
    for run in runs:
        table.add_column(Text("value [95 % interval]" if alone else _name(run)), overflow="fold")
    return table


def _metrics(names: Sequence[str], runs: Sequence[Run], alone: bool) -> Table:
    if alone and runs[0].summary.further:
        return _first_and_final(runs[0], names)
    table = _table(runs, "metric", alone)
    if alone:
        table.add_column("over", style="dim")
    for name in names:
        found = [run.summary.metrics.get(name) for run in runs]
        cells = [interval(name, value) if value is not None else "" for value in found]
        over = [population(name, runs[0].summary, runs[0].metrics)] if alone else []
        table.add_row(inline(name), *cells, *over)
    for name in dict.fromkeys(name for run in runs for name in run.figures):
        cells = [appendix(run.estimates.get(name)) for run in runs]
        table.add_row(inline(name), *cells, *(["the whole run"] if alone else []))
    return table


def _first_and_final(run: Run, names: Sequence[str]) -> Table:
    """Metrics of a run that asks again: the first answers beside the final ones."""
    table = Table("metric", "first answers", "final answers", box=None, pad_edge=False, header_style="bold")
    found = run.summary.metrics
    for name in names:
        if (raw := found.get(RAW + name)) is not None:
            table.add_row(name, interval(name, raw), interval(name, found[name]))
    for name, value in run.estimates.items():
        table.add_row(name, "", appendix(value))
    return table


def _verdict_names(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in run.summary.verdicts))


def _verdicts(runs: Sequence[Run], alone: bool) -> Table:
    """The task's own word on the answers that kept their contract."""
    table = _table(runs, "verdict", alone)
    if alone:
        table.columns[1].header = Text("n (share of parsed)")
    for name in _verdict_names(runs):
        found = [(run.summary.verdicts.get(name, 0), sum(run.summary.verdicts.values())) for run in runs]
        cells = [f"{n} ({share(n, total)})" for n, total in found]
        table.add_row(inline(name), *cells, style="" if any(n for n, _ in found) else "dim")
    return table


def _kinds(kinds: Sequence[Kind], runs: Sequence[Run], alone: bool) -> Table:
    return _kinds_of_one(runs[0], kinds) if alone else _kinds_side_by_side(runs, kinds)


def _kinds_of_one(run: Run, kinds: Sequence[Kind]) -> Table:
    # Only the meaning gives way to a narrow terminal.
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0), expand=True)
    table.add_column("kind", no_wrap=True)
    raw = run.summary.raw_kinds
    if raw is not None:
        table.add_column("first", no_wrap=True, justify="right")
    table.add_column("n", no_wrap=True, justify="right")
    table.add_column("share", no_wrap=True, justify="right")
    table.add_column("meaning", style="dim", ratio=1)
    for kind in kinds:
        n = run.summary.kinds[kind]
        first = [] if raw is None else [str(raw[kind])]
        style = "" if n or first not in ([], ["0"]) else "dim"
        table.add_row(kind.value, *first, str(n), share(n, run.summary.n), kind.meaning, style=style)
    return table


def _kinds_side_by_side(runs: Sequence[Run], kinds: Sequence[Kind]) -> Table:
    table = _table(runs, "kind", alone=False)
    for kind in kinds:
        found = [run.summary.kinds[kind] for run in runs]
        cells = [f"{n} ({share(n, run.summary.n)})" for n, run in zip(found, runs, strict=True)]
        table.add_row(kind.value, *cells, style="" if any(found) else "dim")
    return table
