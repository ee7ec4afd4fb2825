"""What figures are called and what they are over, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from listeval.contract import Kind
from listeval.runs.figures.columns import COMMON, RATES, RAW, USEFUL, at_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from listeval.runs.metrics import Summary
    from listeval.runs.reask import ReaskCounts
    from listeval.task import Metric


def title(name: str) -> str:
    """A figure in words: `useful ndcg@1`, `common ndcg@1`, `parse rate`, `raw useful ndcg@1`."""
    plain = name.removeprefix(RAW)
    said = plain.replace("_", " ") if plain in RATES or plain.startswith((USEFUL, COMMON)) else plain
    return said if plain == name else f"raw {said}"


def population(name: str, summary: Summary, metrics: Sequence[Metric]) -> str:
    """What a figure of a run is over: how many values its mean has, and of what; of how many, where not all have one.

    A `raw_` one is of first answers.
    """
    n, plain = summary.over[name], name.removeprefix(RAW)
    kinds = summary.kinds if plain == name else summary.raw_kinds or {}
    if plain in {at_name(metric.name, k) for metric in metrics for k in metric.at}:
        return f"{n} examples"
    if plain in RATES:
        return f"{_part(n, summary.n - kinds[Kind.ENGINE_ERROR])} answers"
    if plain.startswith(USEFUL):
        return f"{_part(n, summary.scored)} scored, each failure as 0"
    return f"{_part(n, kinds[Kind.OK])} parsed"


def _part(n: int, whole: int) -> str:
    return str(n) if n == whole else f"{n} of {whole}"


def counts(summary: Summary) -> str:
    """The three outcomes that stand beside every mean."""
    text = f"{summary.n} samples: {summary.scored} scored, {summary.unscored} unscored, {summary.errors} errors"
    text += f"; {summary.prompt_too_long} prompts too long, refused" if summary.prompt_too_long else ""
    return text + (f"; {asked_again(summary.further)}" if summary.further else "")


def asked_again(further: ReaskCounts) -> str:
    """What asking again came to, and what it cost."""
    written, read = ("unknown" if n is None else f"{n:,}" for n in (further.tokens, further.prompt_tokens))
    told = f"tokens {written}" if written == read == "unknown" else f"{written} tokens written, {read} read"
    return (
        f"{further.samples} asked again, {further.mended} of them mended, by {further.answers} further answers ({told})"
    )
