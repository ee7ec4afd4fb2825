"""The verdict: one sentence on whether to constrain, to repair, to train, or that nothing was shown.

A difference is *shown* where Holm's p is at most 0.05 and its interval excludes zero; both, so that neither alone
carries a sentence. U is the headline metric over all samples with failures as zero (`useful_`), Q the same metric on
the samples that parse in every arm (`common_`). An arm

- *wins* where U is shown higher; or the parse rate is, and neither U nor Q is shown lower;
- *trades* where the parse rate is shown higher and it does not win: the contract was bought with quality;
- *loses* where U or the parse rate is shown lower and neither is shown higher.

Of the arms that win, the one with the highest U (then parse rate) is named by what it changes: its model is
another (`train`), its decoder is constrained (`constrain`), its rows are repaired (`repair`), else its settings differ
(`change`); an arm that differs in several is named by the first, since a repair alone would not make it.
The best winner of every other way is named beside it, with whether the two can be told apart. If none wins but a
constraint or a repair trades, quality is what the decoder cannot give: `train`. Else `keep` the baseline if an arm
loses, and `none` if nothing is shown. "Without lowering" is said only where the interval of Q stays above minus 5 % of
the metric's range; fewer than 30 clusters are called few.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from listeval.comparison import words
from listeval.comparison.columns import bounds
from listeval.paired import Difference, paired_means

if TYPE_CHECKING:
    from listeval.comparison.analysis import Comparison
    from listeval.comparison.arms import Arm

Choice = Literal["constrain", "repair", "train", "change", "keep", "none"]
_ALPHA, _MARGIN, _FEW, _MUCH = 0.05, 0.05, 30, 0.1


@dataclass(frozen=True)
class Verdict:
    """What to do, by which arm (empty for `keep`, `none`, and `train` where no arm is a trained one), and why."""

    choice: Choice
    arm: str
    sentence: str


class _Shown(NamedTuple):
    """What was shown of one arm: 1 higher, -1 lower, 0 nothing."""

    at: int
    parse: int
    useful: int
    common: int

    @property
    def wins(self) -> bool:
        return self.useful > 0 or (self.parse > 0 and self.useful == 0 and self.common >= 0)

    @property
    def trades(self) -> bool:
        return self.parse > 0 and not self.wins

    @property
    def loses(self) -> bool:
        return min(self.parse, self.useful) < 0 and max(self.parse, self.useful) <= 0


def judge(comparison: Comparison) -> Verdict:
    """The verdict of a comparison, by the rules of this module."""
    shown = [_shown(comparison, at) for at in range(1, len(comparison.arms))]
    winners = sorted((s for s in shown if s.wins), key=lambda s: _worth(comparison, s.at), reverse=True)
    if winners:
        return _win(comparison, winners)
    for s in shown:
        if s.trades and _way(comparison, s.at) in ("constrain", "repair"):
            return Verdict(
                "train",
                "",
                f"Train: {_gain(comparison, s)}{_loss(comparison, s)}{_quality(comparison, s)}, which no arm avoids"
                f"{_over(comparison)}.",
            )
    losers = [s for s in shown if s.loses]
    if losers:
        return Verdict("keep", "", _keep(comparison, losers))
    return Verdict("none", "", _nothing(comparison, shown))


def _shown(comparison: Comparison, at: int) -> _Shown:
    signs = [_sign(comparison, at, name) for name in comparison.headline]
    return _Shown(at, *signs, *[0] * (3 - len(signs)))


def _sign(comparison: Comparison, at: int, name: str) -> int:
    d, p = comparison.differences[at - 1][name], comparison.adjusted[at - 1][name]
    value, low, high = d.difference
    excludes = low > 0 or high < 0
    return int(math.copysign(1, value)) if p <= _ALPHA and excludes else 0


def _worth(comparison: Comparison, at: int) -> tuple[float, ...]:
    """What winners are ordered by: U, then the parse rate, then fewer tokens."""
    values = comparison.values[at]
    useful = values[comparison.headline[1]].value if len(comparison.headline) > 1 else 0.0
    return useful, values["parse_rate"].value, -values["tokens"].value


def _way(comparison: Comparison, at: int) -> Choice:
    arm, base = comparison.arms[at], comparison.base
    if _weights(arm) != _weights(base):
        return "train"
    if arm.constraint != base.constraint and arm.constraint != "none":
        return "constrain"
    return "repair" if arm.repairs is not None and _policies(arm) != _policies(base) else "change"


def _policies(arm: Arm) -> tuple[str, ...]:
    return arm.repairs.policies if arm.repairs is not None else ()


def _weights(arm: Arm) -> object:
    return arm.run.manifest.model.get("fingerprint") or arm.run.manifest.model["name"]


_LEAD = {
    "constrain": "Constrain",
    "repair": "Repair",
    "train": "Train (another checkpoint)",
    "change": "Change settings",
}


def _win(comparison: Comparison, winners: Sequence[_Shown]) -> Verdict:
    best = winners[0]
    way = _way(comparison, best.at)
    sentence = (
        f"{_LEAD[way]}: {_gain(comparison, best)}{_loss(comparison, best)}{_quality(comparison, best)}"
        f"{_speed(comparison, best.at)}{_rivals(comparison, winners)}{_over(comparison)}."
    )
    return Verdict(way, comparison.arms[best.at].name, sentence)


def _gain(comparison: Comparison, s: _Shown) -> str:
    """The figures that are shown higher, from what to what."""
    return f"{comparison.arms[s.at].name} raises " + " and ".join(_shown_as(1, comparison, s))


def _loss(comparison: Comparison, s: _Shown) -> str:
    """The figures that are shown lower, so that no gain hides them."""
    parts = _shown_as(-1, comparison, s)
    return " but lowers " + " and ".join(parts) if parts else ""


def _shown_as(sign: int, comparison: Comparison, s: _Shown) -> list[str]:
    signs = zip(comparison.headline[:2], (s.parse, s.useful), strict=False)
    return [_from_to(comparison, s.at, name) for name, found in signs if found == sign]


def _from_to(comparison: Comparison, at: int, name: str) -> str:
    d = comparison.differences[at - 1][name]
    unit = " points" if name == "parse_rate" else ""
    number, *limits = words.change(name, d.difference).split(" ", 1)
    return (
        f"{'the ' if name == 'parse_rate' else ''}{words.title(name)} from {words.plain(name, d.before)} to "
        f"{words.plain(name, d.after)} ({number}{unit}{''.join(' ' + text for text in limits)})"
    )


def _quality(comparison: Comparison, s: _Shown) -> str:
    """What became of Q, as far as it is known."""
    if len(comparison.headline) < 3:
        return ""
    if _same_answers(comparison, s.at):
        return " and leaves every answer that parsed as it was"
    name = comparison.headline[2]
    d, metric = comparison.differences[s.at - 1][name], name.removeprefix("common_")
    if d.n == 0 or math.isnan(d.difference.value):
        return f", with no common parsed answer to compare {metric} on"
    figures = words.change(name, d.difference)
    if s.common < 0:
        also = "and" if min(s.parse, s.useful) < 0 else "but"
        return f" {also} lowers {metric} on common parsed answers ({figures})"
    if d.difference.low >= -_margin(comparison, name):
        return f" without lowering {metric} on common parsed answers ({figures})"
    return f", while no difference of {metric} is shown on the {d.n} common parsed answers ({figures})"


def _same_answers(comparison: Comparison, at: int) -> bool:
    """Whether the arm is the baseline repaired: Q is equal by construction then."""
    arm, base = comparison.arms[at], comparison.base
    return arm.repairs is not None and base.repairs is None and arm.run.path == base.run.path


def _margin(comparison: Comparison, name: str) -> float:
    low, high = bounds(comparison.metrics).get(name, (0.0, 0.0))
    return _MARGIN * (high - low)


def _speed(comparison: Comparison, at: int) -> str:
    if _same_answers(comparison, at):
        return ", without a further token"
    before, after = comparison.costs[0].seconds_per_1000, comparison.costs[at].seconds_per_1000
    if before is None or after is None or not comparison.speeds_compare:
        return ""
    return f", at {before / after:.2g}x the speed"


def _rivals(comparison: Comparison, winners: Sequence[_Shown]) -> str:
    """The best winner of every other way, its parse rate, and whether the best arm is shown to be better."""
    best = winners[0]
    ways = {_way(comparison, best.at)}
    text = ""
    for s in winners[1:]:
        way = _way(comparison, s.at)
        if way not in ways:
            ways.add(way)
            rate = words.plain("parse_rate", comparison.values[s.at]["parse_rate"].value)
            apart = "" if _apart(comparison, best.at, s.at) else ", not shown to be worse"
            text += f"; {comparison.arms[s.at].name} reaches {rate}{apart}"
    return text


def _apart(comparison: Comparison, best: int, other: int) -> bool:
    name = comparison.headline[min(1, len(comparison.headline) - 1)]
    pair = (comparison.columns[other][name], comparison.columns[best][name])
    found = paired_means(
        {name: pair}, comparison.pairing.clusters, seed=comparison.seed, resamples=comparison.resamples
    )
    return found[name].difference.low > 0


def _keep(comparison: Comparison, losers: Sequence[_Shown]) -> str:
    worst = losers[0]
    name = next(n for n, sign in zip(comparison.headline, worst[1:], strict=False) if sign < 0)
    change = _from_to(comparison, worst.at, name)
    others = "" if len(comparison.arms) == 2 else "no arm is shown to be better, and "
    return f"Keep {comparison.base.name}: {others}{comparison.arms[worst.at].name} lowers {change}{_over(comparison)}."


def _nothing(comparison: Comparison, shown: Sequence[_Shown]) -> str:
    """The widest that the differences may still be, so that "not shown" is not read as "equal"."""
    d: list[Difference] = [comparison.differences[s.at - 1]["parse_rate"] for s in shown]
    low, high = min(x.difference.low for x in d), max(x.difference.high for x in d)
    return (
        f"No difference shown: the parse rate may change by {100 * low:+.1f} to {100 * high:+.1f} points "
        f"against {comparison.base.name}{_over(comparison)}."
    )


def _over(comparison: Comparison) -> str:
    """Over how much this is, where that is little or a part."""
    n, clusters, out = (
        len(comparison.pairing.keys),
        comparison.pairing.n_clusters,
        sum(comparison.pairing.left_out.values()),
    )
    few = f"; few data: {n} samples in {clusters} independent clusters" if clusters < _FEW else f" ({n:,} samples)"
    return few + (f"; {out:,} samples could not be paired" if out > _MUCH * n else "")
