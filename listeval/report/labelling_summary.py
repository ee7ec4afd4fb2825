"""Labels on a terminal: how many texts got a grade, which grades, what failed and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from listeval.report.console import ReportConsole
from listeval.runs.figures.as_text import interval, share

if TYPE_CHECKING:
    from listeval.labelling.tally import Price, Tally
    from listeval.stats.intervals import Interval

_BAR = 40


def print_tally(done: Tally, price: Price | None, console: Console | None = None) -> None:
    """Counts, mean grade, histogram, and the kinds of answers that broke their contract."""
    out = console or ReportConsole()
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_row("texts", f"{done.n:,}")
    table.add_row("labelled", f"{len(done.labels):,} ({share(len(done.labels), done.n)})")
    table.add_row("mean grade", interval("grade", done.grade))
    table.add_row("asked in all", _spent(done, price))
    for kind, n in done.kinds.items():
        if n:
            table.add_row(f"answers {kind}", f"{n:,}")
    out.print(table)
    if done.labels:
        out.print(_histogram({f"{grade:g}": n for grade, n in done.histogram.items()}))


def _spent(done: Tally, price: Price | None) -> str:
    if done.untold:
        return f"of {done.untold:,} answers the server does not tell the tokens, so their sum and cost are not known"
    cost = done.cost(price)
    spent = f"{done.tokens.read:,} tokens in, {done.tokens.written:,} out"
    return spent + (f", ${cost:,.4f}" if cost is not None else "")


def _histogram(counts: Mapping[str, int]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("grade", justify="right")
    table.add_column("texts", justify="right")
    table.add_column("")
    most = max(counts.values())
    for grade, n in counts.items():
        table.add_row(grade, f"{n:,}", Text("█" * max(1, round(_BAR * n / most)), style="cyan"))
    return table


def print_agreement(found: Mapping[str, Mapping[str, Any]], console: Console | None = None) -> None:
    """`found` holds what A agrees with (`labels` of a second judge, readers' `votes`) and the figures of each."""
    out = console or ReportConsole()
    if "labels" in found:
        values = found["labels"]
        out.print(
            f"A and B: {values['n']:,} texts in common ({values['only_a']:,} only in A, {values['only_b']:,} in B)"
        )
        rows = (("kappa", "weighted kappa"), ("kendall_tau", "kendall tau"), ("tau_within", "tau within products"))
        out.print(_figures({words: values[name] for name, words in rows} | {"mae": values["mae"]}))
        out.print(f"{values['products']:,} products in which both tell texts apart")
    if "votes" in found:
        values = found["votes"]
        out.print(
            f"A and votes: {values['labelled']:,} texts in common, {values['n']:,} of them in products that compare"
        )
        out.print(_figures({"tau within products": values["tau_within"]}))
        out.print(f"{values['products']:,} products in which votes tell texts apart")


def _figures(values: Mapping[str, Interval]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("measure")
    table.add_column("value [95 % interval]")
    for name, value in values.items():
        table.add_row(name, interval(name, value))
    return table
