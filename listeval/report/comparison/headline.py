"""The head of every report of a comparison: the verdict in a few words, three figures, and what the ways cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from listeval.report.comparison.sentence import LEAD
from listeval.runs.figures import as_text, words
from listeval.runs.figures.columns import COMMON

if TYPE_CHECKING:
    from listeval.comparison import Comparison
    from listeval.comparison.verdict import Assessment, Recommendation


class HeadFigure(NamedTuple):
    """One figure of the arm that the verdict is about: before and after, and the change with its interval."""

    title: str
    before: str
    after: str
    change: str


def choice(verdict: Recommendation) -> str:
    """`Repair`, `Keep the baseline`, `No recommendation`."""
    if verdict.choice == "keep":
        return "Keep the baseline"
    return "No recommendation" if verdict.choice == "none" else LEAD[verdict.choice]


def verdict_title(verdict: Recommendation) -> str:
    """The verdict in a few words, the arm named."""
    if verdict.chosen is not None:
        return f"{choice(verdict)}: {verdict.arm}"
    return f"Keep {verdict.baseline}" if verdict.choice == "keep" else choice(verdict)


def subject(verdict: Recommendation) -> Assessment:
    """The arm that the figures are of, and of which the sentence speaks first."""
    return verdict.subject


def heads(verdict: Recommendation) -> list[HeadFigure]:
    """The headline figures of the subject against the baseline; common ones over what parses in every arm."""
    f = subject(verdict)
    found = []
    for name in verdict.headline:
        d = f.differences[name]
        change = as_text.change(name, d.difference) + as_text.points(name)
        if f.unchanged and name.startswith(COMMON):
            change = "the same answers"
        found.append(HeadFigure(words.title(name), as_text.plain(name, d.before), as_text.plain(name, d.after), change))
    return found


def cost_lines(comparison: Comparison) -> list[str]:
    """What each arm that may be recommended costs more than the baseline, cheapest first."""
    verdict = comparison.verdict
    return [f"cost of {f.name}: {cost_of(f)}" for f in (*verdict.tied, *verdict.behind)]


def cost_of(f: Assessment) -> str:
    """`+3.2 tokens an answer, trained in 200 steps, 1,204 s on cpu, at 1.2 to 1.4x the speed`."""
    made = f.contrast.cost.training
    parts = [_further_tokens(f.tokens)]
    if "train" in f.ways:
        parts.append("training not recorded" if made is None else f"trained in {made.steps:,} steps")
    if made is not None:
        parts.append("seconds not recorded" if made.seconds is None else f"{made.seconds:,.0f} s on {made.device}")
    if f.speed.ratio is not None:
        low, high = f.speed.ratio
        parts.append(f"at {low:.2g} to {high:.2g}x the speed")
    return ", ".join(parts)


def _further_tokens(tokens: float | None) -> str:
    if tokens is None:
        return "tokens not recorded"
    return f"{tokens:+,.1f} tokens an answer" if tokens else "no further token"


def remarks(comparison: Comparison) -> list[str]:
    """What a reader must know before the figures are believed: constraints that differ or fight, chance unknown."""
    lines = [
        f"constrained arms differ in {what}: " + "; ".join(f"{name} {value}" for name, value in found)
        for what, found in comparison.unlike.items()
    ]
    lines += [
        f"the constraint of {name} fights the model's own spelling (mean masked mass {mass:.2f}); see spacing"
        for name, mass in comparison.verdict.fighting
    ]
    if comparison.unmeasured:
        without = ", ".join(map(words.title, comparison.unmeasured))
        lines.append(f"not measured on the paired samples: {without}; so {words.title(comparison.decisive)} decides")
    if comparison.chance.why:
        lines.append(f"what a random order is worth is not known: {comparison.chance.why}")
    return lines


def rule(comparison: Comparison) -> str:
    """What the verdict was decided by."""
    v, t = comparison.verdict, comparison.thresholds
    guard = ""
    if comparison.scale is not None:
        guard = f"; {comparison.scale.metric} may not be lower by {v.margin:g}"
        guard += "" if comparison.scale.chance is None else ", and must beat a random order"
    return f"decided by {words.title(v.decisive)} at alpha {t.alpha:g}{guard}; cheapest first: {', '.join(t.order)}"
