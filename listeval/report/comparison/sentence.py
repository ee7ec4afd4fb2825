"""The verdict in words: one sentence from the data of `comparison.verdict`. Computes nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from listeval.comparison.decision import Standing
from listeval.runs.figures import as_text, words
from listeval.runs.figures.columns import COMMON, PARSE_RATE
from listeval.stats.intervals import FEW, Interval

if TYPE_CHECKING:
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
    moved = [name for name in v.headline[:2] if f.shown(name, v.thresholds.alpha) == sign]
    return [_from_to(f, name) + _unsure(v, f, name) for name in moved]


def _unsure(v: Recommendation, f: Assessment, name: str) -> str:
    """What is said of a change that its interval shows, but Holm's correction does not carry."""
    return "" if f.adjusted[name] <= v.thresholds.alpha else ", not after correction for the number of tests"


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
        return f" and lowers {metric} by less than the margin of {v.margin:g} ({_guarded(v, q)})"
    if f.guard.common and q.low >= -v.margin:
        return f" without lowering {metric} {_where(v)} by {v.margin:g} or more ({_guarded(v, q)})"
    own = f.guard.own
    near = f"{as_text.plain(metric, own.value)}, at least {as_text.plain(metric, own.low)}{_at_level(v)},"
    return f"; its own {metric} of {near} leaves no room for a loss beyond the margin of {v.margin:g}"


def _guarded(v: Recommendation, found: Interval) -> str:
    """A change of the quality metric as the guard has it, which of many arms is at a level of its own."""
    return as_text.change(_metric(v), found) + _at_level(v)


def _at_level(v: Recommendation) -> str:
    level = v.thresholds.guard_level(len(v.findings))
    return "" if math.isclose(level, v.thresholds.level) else f" at {100 * level:.3g} %"


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
    if not d.clear:
        return ", not shown to be worse or better"
    told = f"{words.title(v.decisive)} {as_text.change(v.decisive, d)}{_at_level(v)}"
    return f", better within the margin ({told})" if d.low > 0 else f", worse ({told})"


def _refrain(v: Recommendation) -> str:
    """Why nothing is recommended: what is worse, what stands in the way of a gain, or that nothing is shown."""
    f = v.subject
    if v.blocked:
        lead = f"Keep {v.baseline}" if v.choice == "keep" else "No recommendation"
        return f"{lead}: {_held_back(v)}"
    if f.standing is Standing.WORSE:
        alone = "" if len(v.findings) == 1 else "no arm is shown to be better, and "
        return f"Keep {v.baseline}: {alone}{_worse(v, f)}"
    if f.moved(v.headline):
        return f"No recommendation: {_moved(v, f)}"
    return _nothing(v, f)


def _held_back(v: Recommendation) -> str:
    """For each thing that stands in the way: the arm that would gain most, and the names of the others."""
    parts = []
    for standing in dict.fromkeys(f.standing for f in v.blocked):
        same = [f for f in v.blocked if f.standing is standing]
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
        return f"it {shown} a random order ({metric} {_guarded(v, g.above)} against it)"
    if f.standing is Standing.TRADES:
        loss = f"({_guarded(v, g.quality)}; margin {v.margin:g}){_unsure(v, f, v.headline[2])}"
        return f"it lowers {metric} {_where(v)} {loss}"
    shared = "common parsed answers" if len(v.findings) == 1 else "answers that both parse"
    what = f"{g.common} {shared}" if g.common else "without a common parsed answer"
    seen = f" ({_guarded(v, g.quality)})" if g.common else ""
    few = "are too few to exclude" if g.common else "nothing excludes"
    need = f"; some {g.enough:,} would do, were there none" if g.enough > g.clusters else ""
    return f"{what} {few} a loss of {metric} beyond the margin of {v.margin:g}{seen}{need}"


def _worse(v: Recommendation, f: Assessment) -> str:
    name = next((n for n in v.headline[:2] if f.shown(n, v.thresholds.alpha) < 0), v.decisive)
    up = _changes(v, f, 1)
    gain = f"raises {' and '.join(up)} but " if up else ""
    return f"{f.name} {gain}lowers {_from_to(f, name)}{_unsure(v, f, name)}"


def _moved(v: Recommendation, f: Assessment) -> str:
    """An arm with a figure that is clear of zero, though U is not shown to rise."""
    parts = []
    for name in v.headline:
        d = f.differences[name].difference
        if d.clear:
            up = "raises" if d.low > 0 else "lowers"
            parts.append(f"{up} {_named(f, name)}{_unsure(v, f, name)}")
    text = f"{f.name} {' and '.join(parts)}"
    if f.differences[v.decisive].difference.clear:
        return text
    d = f.differences[v.decisive].difference
    return f"{text}; {words.title(v.decisive)} is not shown to rise ({as_text.change(v.decisive, d)})"


def _named(f: Assessment, name: str) -> str:
    if not name.startswith(COMMON):
        return _from_to(f, name)
    metric = name.removeprefix(COMMON)
    return f"{metric} on common parsed answers ({as_text.change(metric, f.differences[name].difference)})"


def _nothing(v: Recommendation, f: Assessment) -> str:
    """How wide a difference may still be, so that "not shown" is not read as "equal"."""
    d, others = f.differences[PARSE_RATE].difference, [other.name for other in v.findings if other is not f]
    of = f"with {f.name} " if others else ""
    return (
        f"No difference shown: {of}the parse rate may change by {100 * d.low:+.1f} to {100 * d.high:+.1f} points "
        f"against {v.baseline}" + (f"; nor is one shown with {', '.join(others)}" if others else "")
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
    valued, clusters = v.decided_by
    part = "" if valued == v.samples else f", {valued:,} of them with a value of {words.title(v.decisive)}"
    text = f"; few data: {v.samples} samples in {v.clusters} independent clusters{part}"
    text = text if clusters < FEW else f" ({v.samples:,} samples{part})"
    return text + (f"; {v.left_out:,} samples could not be paired" if v.left_out > _MUCH * v.samples else "")


def _where(v: Recommendation) -> str:
    """What the quality of two arms is compared on; of several arms the common answers are fewer."""
    return "on common parsed answers" if len(v.findings) == 1 else "on the answers that both parse"


def _metric(v: Recommendation) -> str:
    return v.headline[2].removeprefix(COMMON)
