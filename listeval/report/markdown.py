"""The tables of `listeval report` as Markdown, runs side by side."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from listeval.contract import Kind
from listeval.report.constrained import notes
from listeval.report.heading import run_title
from listeval.report.shown import metrics_to_show
from listeval.runs.figures.as_text import appendix, interval, share
from listeval.runs.figures.words import counts
from listeval.visible import inline

if TYPE_CHECKING:
    from listeval.runs import Run

_MARKUP = re.compile(r"[\\`*<>\[\]|&~$#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|(?<=[a-zA-Z]):(?=//)|(?<=www)\.|@")
"""What Markdown would read as markup, links that it makes of bare addresses and mentions among it."""


def markdown(runs: Sequence[Run]) -> str:
    """Metrics and failure kinds of each run, one column a run, and what the columns are."""
    names = metrics_to_show(runs)
    header = [f"[{number}]" for number, _ in enumerate(runs, 1)]
    metrics = (
        [
            escape(name),
            *(interval(name, run.summary.metrics[name]) if name in run.summary.metrics else "" for run in runs),
        ]
        for name in names
    )
    figures = (
        [escape(name), *(appendix(run.estimates.get(name)) for run in runs)]
        for name in dict.fromkeys(name for run in runs for name in run.figures)
    )
    kinds = (
        [kind.value, *(f"{run.summary.kinds[kind]} ({share(run.summary.kinds[kind], run.summary.n)})" for run in runs)]
        for kind in Kind
    )
    legend = [
        f"- {mark} {escape(run_title(run))} — {counts(run.summary)} ({code(run.path)})"
        for mark, run in zip(header, runs, strict=True)
    ]
    legend += [f"- {mark} {escape(line)}" for mark, run in zip(header, runs, strict=True) for line in notes(run)]
    tables = [table(["metric", *header], [*metrics, *figures]), table(["kind", *header], kinds)]
    names = list(dict.fromkeys(name for run in runs for name in run.summary.verdicts))
    if names:
        verdicts = ([escape(name), *(str(run.summary.verdicts.get(name, 0)) for run in runs)] for name in names)
        tables.append(table(["verdict", *header], verdicts))
    for mark, run in zip(header, runs, strict=True):
        legend += [f"- {mark} note: {escape(notice)}" for notice in run.notices]
    return "\n\n".join([*tables, "\n".join(legend)])


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A pipe table; the cells are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def escape(text: object) -> str:
    """Text that stands for itself, in a cell or elsewhere: one line in which nothing is markup."""
    return _MARKUP.sub(r"\\\g<0>", inline(text))


def code(text: object) -> str:
    """Text as a code span, whatever backticks it holds."""
    shown = inline(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    pad = " " if "`" in shown else ""
    return f"{fence}{pad}{shown}{pad}{fence}"
