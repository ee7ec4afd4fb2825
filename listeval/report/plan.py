"""What a suite is about to do, on a terminal: a line a run, with how many rows it owes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from listeval.report.console import ReportConsole
from listeval.visible import counted, inline

if TYPE_CHECKING:
    from listeval.suites.execute_suite import Prospect


def print_plan(found: Sequence[Prospect], console: Console | None = None) -> None:
    """Runs in their order with samples, those that are there, and those owed; then the sums."""
    out = console or ReportConsole()
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("run", overflow="fold")
    table.add_column("backend", no_wrap=True)
    for name in ("samples", "there", "owed"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        cells = ["cannot be made", "", ""] if one.error else [f"{n:,}" for n in (one.samples, one.there, owed(one))]
        style = "yellow" if one.error else "dim" if one.complete else ""
        table.add_row(Text(inline(one.planned.name)), Text(inline(one.config.backend)), *cells, style=style)
    out.print(table)
    out.print()
    out.print(Text(summary(found)))


def owed(one: Prospect) -> int:
    """Rows that are still to be made."""
    return max(0, one.samples - one.there)


def summary(found: Sequence[Prospect]) -> str:
    """`6 runs, 1,200 samples, 600 owed; 2 models to load`."""
    makeable = [one for one in found if one.error is None]
    loads: list[object] = []
    for one in makeable:
        if one.load is not None and one.load.is_local and not one.complete and one.load not in loads:
            loads.append(one.load)
    samples = counted(sum(one.samples for one in makeable), "sample")
    counts = f"{counted(len(found), 'run')}, {samples}, {sum(map(owed, makeable)):,} owed"
    return f"{counts}; {counted(len(loads), 'model')} to load" if loads else counts
