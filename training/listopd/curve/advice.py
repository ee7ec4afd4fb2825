"""One sentence: how far λ may go on this pair, and what would break first, by which mechanism.

"A cliff" and "no cliff" both need evidence. The gate of `listopd.estimates` says the first; the second is said only
where the drop's upper limit is below it. Otherwise the curve does not decide, and says what would.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile

from listeval.contract import Kind
from listeval.stats.intervals import Interval
from listopd.curve.breaks import Break, Mechanism
from listopd.curve.curve_result import CurveThreshold, SelfTest
from listopd.estimates import GATE, ONSET_LOSS, Cliff


def limit_of(cliff: Cliff) -> float:
    """The largest λ that the curve allows.

    With a cliff the onset's lower limit; else the last λ up to which the curve has not fallen by more than the onset's
    loss, which may be the end of the grid. Where the curve decides nothing, the loss must be shown to be none of a
    cliff, too: up to the last λ whose loss has its upper limit within `GATE`, else the first one, which is 1.
    """
    if cliff.onset is not None:
        low = cliff.onset.value if math.isnan(cliff.onset.low) else cliff.onset.low
        return max(cliff.lams[0], low)
    kept = [lam for lam, value in zip(cliff.lams, cliff.curve, strict=True) if cliff.curve[0] - value <= ONSET_LOSS]
    return kept[-1] if decided(cliff) else min(kept[-1], _shown(cliff))


def _shown(cliff: Cliff) -> float:
    """The last λ up to which every loss, at its upper limit, is none of a cliff; the first where nothing is shown."""
    if not cliff.plateau.low > GATE:
        return cliff.lams[0]
    rows = zip(cliff.lams[1:], cliff.curve[1:], cliff.rates[1:], strict=True)
    # Written so that limits which are not known do not pass.
    within = takewhile(lambda row: _most_lost(cliff.plateau, row[1], row[2].low) <= GATE, rows)
    return max((lam for lam, _, _ in within), default=cliff.lams[0])


def _most_lost(plateau: Interval, rate: float, low: float) -> float:
    """Upper limit of the loss, by Newcombe (1998, Stat. Med. 17): wider than that of answers to the same prompts."""
    return plateau.value - rate + math.hypot(plateau.high - plateau.value, max(0.0, rate - low))


def decided(cliff: Cliff) -> bool:
    """Whether the curve shows a cliff, or that there is none."""
    return cliff.exists or (cliff.plateau.low > GATE and cliff.drop.high <= GATE)


def advise(
    cliff: Cliff, self_test: SelfTest, breaks: Break | None, thresholds: Sequence[CurveThreshold], *, capped: bool
) -> str:
    """The sentence; `capped` says whether the training to come caps the ratio that λ* is about."""
    if not self_test.held:
        return (
            "The curve is not to be trusted: at λ = 0 and 1 it does not give back the two models' own rates "
            f"(base {_of(self_test.base_parsed)}, teacher {_of(self_test.teacher_parsed)} of {self_test.prompts})."
        )
    if cliff.exists:
        return _cliff(cliff, breaks) + _saturates(thresholds, limit_of(cliff), capped)
    if decided(cliff):
        return _flat(cliff, breaks) + _saturates(thresholds, limit_of(cliff), capped)
    return _open(cliff)


def _cliff(cliff: Cliff, breaks: Break | None) -> str:
    assert cliff.midpoint is not None and cliff.onset is not None, "said of a cliff"
    further = "" if cliff.settled else " or beyond, for the grid ends on the slope"
    said = (
        f"λ may go to {limit_of(cliff):.2f}: the untrained target falls from {_rate(cliff.plateau.value)} to "
        f"{_rate(cliff.floor.value)}, halfway at λ = {cliff.midpoint.value:.3f}"
        f"{_within(cliff.midpoint.low, cliff.midpoint.high)}{further}"
    )
    return said + (f", by {_first(breaks)}." if breaks else ".")


def _flat(cliff: Cliff, breaks: Break | None) -> str:
    last = cliff.rates[-1]
    said = (
        f"No cliff up to λ = {cliff.lams[-1]:g}: the untrained target still parses {_rate(last.value)}"
        f"{_within(last.low, last.high, percent=True)} there"
    )
    limit = limit_of(cliff)
    whole = limit == cliff.lams[-1]
    said += ", so λ may go as far" if whole else f", but loses more than {_rate(ONSET_LOSS)} beyond λ = {limit:g}"
    return said + (f"; what breaks first is {_first(breaks)}." if breaks else ".")


def _open(cliff: Cliff) -> str:
    if not cliff.plateau.low > GATE:
        way = "more prompts may show one (--limit)" if cliff.plateau.value > GATE else "a better teacher leaves one"
        return (
            f"The curve does not decide: the teacher parses {_rate(cliff.plateau.value)}"
            f"{_within(cliff.plateau.low, cliff.plateau.high, percent=True)}, which leaves no room to see a "
            f"cliff in; {way}."
        )
    return (
        f"The curve does not decide: over {cliff.prompts} prompts the target loses {_rate(cliff.drop.value)}"
        f"{_within(cliff.drop.low, cliff.drop.high, percent=True)} up to λ = {cliff.lams[-1]:g}, and a cliff is a loss "
        f"of more than {_rate(GATE)}; more prompts would (--limit). {_so_far(cliff)}"
    )


def _so_far(cliff: Cliff) -> str:
    limit = limit_of(cliff)
    if limit == cliff.lams[0]:
        return f"No λ above {limit:g} is shown to lose less."
    return f"Up to λ = {limit:g} less is lost."


def _first(found: Break) -> str:
    """Kind and mechanism of what breaks first."""
    kind = "FMC, one id missing" if found.kind == Kind.MISSING_ID.value else found.kind
    many = f"{kind} ({found.kinds[found.kind]} of {found.broken} broken answers at λ = {found.lam:g})"
    if found.mechanism is Mechanism.FLIP:
        (step, item), _ = next(iter(found.steps.items()))
        return f"a mode flip at '{step.meaning}' of item {item} (λ_flip {found.flip:.3f}): {many}"
    if found.mechanism is Mechanism.TEACHER:
        return f"what the teacher itself gets wrong: {many}"
    return many


def _saturates(thresholds: Sequence[CurveThreshold], limit: float, capped: bool) -> str:
    """Where saturation comes before what was said. In our sweeps it broke no answer at a small learning rate."""
    star = min((found.operating.value for found in thresholds), default=math.inf)
    if not capped or not star < limit:
        return ""
    return f" Beyond λ*(B) = {star:.3f} updates saturate, which needs a small learning rate."


def _of(pair: tuple[int, int]) -> str:
    return f"{pair[0]} against {pair[1]}"


def _rate(value: float) -> str:
    return f"{100 * value:.0f} %"


def _within(low: float, high: float, *, percent: bool = False) -> str:
    if math.isnan(low):
        return ""
    return f" [{100 * low:.0f}, {100 * high:.0f}]" if percent else f" [{low:.3f}, {high:.3f}]"
