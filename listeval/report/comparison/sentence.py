"""The verdict in words: one sentence from the data of `comparison.verdict`. Computes nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from listeval.comparison.decision import Standing
from listeval.runs.figures import as_text, words
from listeval.runs.figures.columns import COMMON, PARSE_RATE
from listeval.stats.intervals import FEW, Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from listeval.comparison.thresholds import Way
    from listeval.comparison.verdict import Assessment, Recommendation

_MUCH = 0.1
"""The share of samples that could not be paired from which it is said."""

LEAD: dict[Way, str] = {
    "repair": "Repair",
    "change": "Change settings",
    "constrain": "Constrain",
    "re-ask": "Re-ask",
    "train": "Train (another checkpoint)",
}


def sentence(verdict: Recommendation) -> str:
    """What to do and what it rests on; or that nothing is recommended, and what stands in the way."""
    body = _recommend(verdict, verdict.chosen) if verdict.chosen else _refrain(verdict)
    return f"{body}{_fights(verdict)}{_over(verdict)}."


def _recommend(v: Recommendation, f: Assessment) -> str:
    changes = _changes(v, f, 1)
    fallen = _changes(v, f, -1)
    but = " but lowers " + " and ".join(fallen) if fallen else ""
    return f"{LEAD[f.way]}: {f.name} raises {' and '.join(changes)}{but}{_quality(v, f)}{_speed(f)}{_rivals(v, f)}"


def _changes(v: Recommendation, f: Assessment, sign: int) -> list[str]:
    """The parse rate and U where they are shown to have moved that way, from what to what."""
    return [_from_to(f, name) for name in v.headline[:2] if f.shown(name, v.thresholds.alpha) == sign]


def _from_to(f: Assessment, name: str) -> str:
    d = f.differences[name]
    number, *limits = as_text.change(name, d.difference).split(" ", 1)
    return (
        f"{'the ' if name == PARSE_RATE else ''}{words.title(name)} from {as_text.plain(name, d.before)} to "
        f"{as_text.plain(name, d.after)} ({number}{as_text.points(name)}{''.join(' ' + text for text in limits)})"
    )


def _quality(v: Recommendation, f: Assessment) -> str:
    """What became of Q for an arm that is recommended: the loss that the margin excludes, or that it is none."""
    if f.guard is None:
        return ""
    if f.unchanged:
        return " and leaves every answer that parsed as it was" + (
            ", without a further token" if f.way == "repair" else ""
        )
    metric, q = _metric(v), f.guard.quality
    if f.guard.common and q.high < 0:
        return f" and lowers {metric} by less than the margin of {v.margin:g} ({as_text.change(metric, q)})"
    if f.guard.common and q.low >= -v.margin:
        return f" without lowering {metric} {_where(v)} by {v.margin:g} or more ({as_text.change(metric, q)})"
    near = as_text.interval(metric, f.guard.own)
    return f"; its own {metric} of {near} leaves no room for a loss beyond the margin of {v.margin:g}"


def _speed(f: Assessment) -> str:
    if f.speed.ratio is None:
        return ""
    low, high = f.speed.ratio
    return f", at {low:.2g} to {high:.2g}x the speed"


def _rivals(v: Recommendation, f: Assessment) -> str:
    """The best arm of every other way that may be recommended, and why it is not the one."""
    text, ways = "", {f.way}
    for other in (*v.tied, *v.behind):
        if other.way in ways:
            continue
        ways.add(other.way)
        rate = as_text.plain(PARSE_RATE, other.differences[PARSE_RATE].after)
        text += f"; {other.name} reaches {rate}{_beside(v, other)}"
    return text


def _beside(v: Recommendation, other: Assessment) -> str:
    """How an arm's U stands to the chosen one's; better by no more than the margin is no reason to pay for it."""
    d = v.rivals[other.name]
    if not _clear(d):
        return ", not shown to be worse or better"
    told = f"{words.title(v.decisive)} {as_text.change(v.decisive, d)}"
    return f", better within the margin ({told})" if d.low > 0 else f", worse ({told})"


def _refrain(v: Recommendation) -> str:
    """Why nothing is recommended: what is worse, what stands in the way of a gain, or that nothing is shown."""
    blocked = [f for f in v.findings if f.standing in (Standing.AT_CHANCE, Standing.TRADES, Standing.UNKNOWN)]
    worse = [f for f in v.findings if f.standing is Standing.WORSE]
    if blocked:
        lead = f"Keep {v.baseline}" if v.choice == "keep" else "No recommendation"
        return f"{lead}: {_held_back(v, blocked)}"
    if worse:
        return f"Keep {v.baseline}: {'' if len(v.findings) == 1 else 'no arm is shown to be better, and '}" + _worse(
            v, worse[0]
        )
    moved = [f for f in v.findings if any(_clear(f.differences[name].difference) for name in v.headline)]
    if moved:
        return f"No recommendation: {_moved(v, moved[0])}"
    return _nothing(v)


def _held_back(v: Recommendation, blocked: Sequence[Assessment]) -> str:
    """For each thing that stands in the way: the arm that would gain most, and the names of the others."""
    parts = []
    for standing in dict.fromkeys(f.standing for f in blocked):
        same = sorted((f for f in blocked if f.standing is standing), key=lambda f: -f.differences[v.decisive].after)
        others = ", ".join(f.name for f in same[1:])
        parts.append(_blocked(v, same[0]) + (f"; so it is with {others}" if others else ""))
    return "; ".join(parts)


def _blocked(v: Recommendation, f: Assessment) -> str:
    gains = _changes(v, f, 1)
    fallen = _changes(v, f, -1)
    but = " but lowers " + " and ".join(fallen) if fallen else ""
    return f"{f.name} raises {' and '.join(gains)}{but}, but {_obstacle(v, f)}"


def _obstacle(v: Recommendation, f: Assessment) -> str:
    assert f.guard is not None, "only quality stands in the way of a gain"
    metric, g = _metric(v), f.guard
    if f.standing is Standing.AT_CHANCE:
        if math.isnan(g.above.value):
            return "whether it ranks better than a random order is not known"
        shown = "ranks worse than" if g.above.high < 0 else "is not shown to rank better than"
        return f"it {shown} a random order ({metric} {as_text.change(metric, g.above)} against it)"
    if f.standing is Standing.TRADES:
        return f"it lowers {metric} {_where(v)} ({as_text.change(metric, g.quality)}; margin {v.margin:g})"
    shared = "common parsed answers" if len(v.findings) == 1 else "answers that both parse"
    what = f"{g.common} {shared}" if g.common else "without a common parsed answer"
    seen = f" ({as_text.change(metric, g.quality)})" if g.common else ""
    few = "are too few to exclude" if g.common else "nothing excludes"
    need = f"; some {g.enough:,} would do, were there none" if g.enough > g.clusters else ""
    return f"{what} {few} a loss of {metric} beyond the margin of {v.margin:g}{seen}{need}"


def _worse(v: Recommendation, f: Assessment) -> str:
    name = next((n for n in v.headline[:2] if f.shown(n, v.thresholds.alpha) < 0), v.decisive)
    up = _changes(v, f, 1)
    return f"{f.name} " + (f"raises {' and '.join(up)} but " if up else "") + f"lowers {_from_to(f, name)}"


def _moved(v: Recommendation, f: Assessment) -> str:
    """An arm with a figure that is clear of zero, though U is not shown to rise."""
    parts = []
    for name in v.headline:
        d = f.differences[name].difference
        if _clear(d):
            sure = "" if f.adjusted[name] <= v.thresholds.alpha else ", not after correction for the number of tests"
            up = "raises" if d.low > 0 else "lowers"
            parts.append(f"{up} {_named(f, name)}{sure}")
    text = f"{f.name} {' and '.join(parts)}"
    if _clear(f.differences[v.decisive].difference):
        return text
    d = f.differences[v.decisive].difference
    return f"{text}; {words.title(v.decisive)} is not shown to rise ({as_text.change(v.decisive, d)})"


def _named(f: Assessment, name: str) -> str:
    if not name.startswith(COMMON):
        return _from_to(f, name)
    metric = name.removeprefix(COMMON)
    return f"{metric} on common parsed answers ({as_text.change(metric, f.differences[name].difference)})"


def _nothing(v: Recommendation) -> str:
    """The widest that the differences may still be, so that "not shown" is not read as "equal"."""
    found = [f.differences[PARSE_RATE].difference for f in v.findings]
    low, high = min(d.low for d in found), max(d.high for d in found)
    return (
        f"No difference shown: the parse rate may change by {100 * low:+.1f} to {100 * high:+.1f} points "
        f"against {v.baseline}"
    )


def _fights(v: Recommendation) -> str:
    """Constraints that took much of the probability: what they cost is not the model's doing."""
    return "".join(
        f"; the constraint of {name} fights the model's own spelling (it took {mass:.2f} of a step's probability): "
        "see spacing"
        for name, mass in v.fighting
    )


def _over(v: Recommendation) -> str:
    """Over how much this is, where that is little or a part."""
    few = v.clusters < FEW
    text = (
        f"; few data: {v.samples} samples in {v.clusters} independent clusters" if few else f" ({v.samples:,} samples)"
    )
    return text + (f"; {v.left_out:,} samples could not be paired" if v.left_out > _MUCH * v.samples else "")


def _where(v: Recommendation) -> str:
    """What the quality of two arms is compared on; of several arms the common answers are fewer."""
    return "on common parsed answers" if len(v.findings) == 1 else "on the answers that both parse"


def _metric(v: Recommendation) -> str:
    return v.headline[2].removeprefix(COMMON)


def _clear(d: Interval) -> bool:
    return not math.isnan(d.low) and (d.low > 0 or d.high < 0)
