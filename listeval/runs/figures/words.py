"""What figures are called and what they are over, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from listeval.contract import Kind
from listeval.runs.figures.columns import COMMON, RATES, USEFUL, at_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from listeval.runs.metrics import Summary
    from listeval.runs.reask import ReaskCounts
    from listeval.task import Metric


def title(name: str) -> str:
    """A figure in words: `useful ndcg@1`, `common ndcg@1`, `parse rate`."""
    return name.replace("_", " ") if name in RATES or name.startswith((USEFUL, COMMON)) else name


def population(name: str, summary: Summary, metrics: Sequence[Metric]) -> str:
    """What a figure of a run is over, with the count."""
    if name in {at_name(metric.name, k) for metric in metrics for k in metric.at}:
        return f"examples, {summary.scored} samples"
    if name in RATES:
        return f"{summary.n - summary.kinds[Kind.ENGINE_ERROR]} answers"
    if name.startswith(USEFUL):
        return f"{summary.scored} scored, each failure as 0"
    return f"{summary.kinds[Kind.OK]} parsed"


def counts(summary: Summary) -> str:
    """The three outcomes that stand beside every mean."""
    text = f"{summary.n} samples: {summary.scored} scored, {summary.unscored} unscored, {summary.errors} errors"
    text += f"; {summary.prompt_too_long} prompts too long, refused" if summary.prompt_too_long else ""
    return text + (f"; {asked_again(summary.further)}" if summary.further else "")


def asked_again(further: ReaskCounts) -> str:
    """What asking again came to, and what it cost."""
    return (
        f"{further.samples} asked again, {further.mended} of them mended, by {further.answers} further answers "
        f"({further.tokens:,} tokens written, {further.prompt_tokens:,} read)"
    )
