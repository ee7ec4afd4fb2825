"""How each kind of prediction is judged against the answers of its arms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from listeval.errors import UserError
from listeval.stats.intervals import Interval, rate_interval
from listopd.cliff.claim_series import ClaimSeries, fitted_star
from listopd.cliff.claims import (
    CliffClaim,
    DriftClaim,
    FailuresClaim,
    FlatClaim,
    MidpointClaim,
    RateClaim,
    ShiftClaim,
    TabularClaim,
)
from listopd.cliff.observe import good_of, up_to
from listopd.cliff.records import AnswerOutcome
from listopd.cliff.series import Series
from listopd.cliff.verdict import ClaimVerdict, Judgement, NotDecidable, inside, shown
from listopd.estimates import GATE, Cliff, Outcomes, cliff, cliff_points, midpoint_shift
from listopd.threshold.bernoulli import collapse_threshold
from listopd.threshold.closed_form import lambda_stars
from listopd.threshold.drift import fit_drift

_ON_THE_SLOPE = "the grid ends on the slope"
_ABSTAINS = "nothing: its rule abstained when the study was locked"


class SweepEvidence(NamedTuple):
    """What claims are judged by: the sweep's directory, resamples, and the locked numbers by claim."""

    out: Path
    draws: int
    numbers: Mapping[str, float]

    def curve(self, series: Series, claim: Any) -> Cliff:
        """The estimates of a series under a claim's notion of good."""
        return cliff(self.outcomes(series, claim), draws=self.draws)

    def outcomes(self, series: Series, claim: Any) -> Outcomes:
        """By seed, λ and prompt."""
        return good_of(series, self.out, claim.good, claim.token)


def judge_claim(aimed: ClaimSeries, evidence: SweepEvidence) -> Judgement:
    """Hit, missed or not decidable, with words. Raises UserError for damaged files, and NotDecidable."""
    claim = aimed.claim
    if isinstance(claim, TabularClaim):
        return _tabular(claim)
    series = aimed.series
    assert series is not None, "every claim but a tabular one is about arms"
    match claim:
        case MidpointClaim():
            return _midpoint(claim, series, evidence)
        case FlatClaim():
            return _flat(claim, series, evidence)
        case CliffClaim():
            return _cliff(claim, series, evidence)
        case FailuresClaim():
            return _failures(claim, series, evidence)
        case RateClaim():
            return _rate(claim, series, evidence)
        case ShiftClaim():
            return _shift(claim, series, aimed.others[0], evidence)
        case DriftClaim():
            return _drift(claim, series, aimed.others, evidence)


def _midpoint(claim: MidpointClaim, series: Series, evidence: SweepEvidence) -> Judgement:
    number, found = evidence.numbers[claim.id], evidence.curve(series, claim)
    if math.isnan(number):
        seen = found.drop if found.midpoint is None else found.midpoint
        return Judgement(
            ClaimVerdict.UNDECIDED, _ABSTAINS, f"{'drop' if found.midpoint is None else 'midpoint'} {shown(seen)}"
        )
    low, high = number - claim.within, number + claim.within
    if low > series.lams[-1]:
        return _no_cliff(found, GATE, f"none up to {series.lams[-1]:g} ({number:.3g})")
    expected = f"{number:.3f} ± {claim.within:g}"
    if high < series.lams[0]:
        return Judgement(ClaimVerdict.UNDECIDED, expected, f"the grid begins at {series.lams[0]:g}")
    if found.midpoint is None:
        # Beyond the grid's end, where a part of the window may lie, nothing was seen.
        verdict = _gate_closed(found) if high <= series.lams[-1] else ClaimVerdict.UNDECIDED
        return Judgement(verdict, expected, f"no cliff is shown: drop {shown(found.drop)}")
    return _placed(found, low, high, expected)


def _placed(found: Cliff, low: float, high: float, expected: str) -> Judgement:
    """A midpoint that is shown, beside its window."""
    assert found.midpoint is not None, "the gate is open"
    if found.settled or found.midpoint.low > high:
        return Judgement(inside(found.midpoint, low, high), expected, shown(found.midpoint), found.midpoint)
    words = f"{shown(found.midpoint)} or more: {_ON_THE_SLOPE}"
    return Judgement(ClaimVerdict.UNDECIDED, expected, words, found.midpoint)


def _settled(found: Cliff, without: str) -> Interval:
    """The midpoint of a curve that came to its floor. Raises NotDecidable, `without` where there is none at all."""
    if found.midpoint is None:
        raise NotDecidable(without)
    if not found.settled:
        raise NotDecidable(f"{shown(found.midpoint)} or more: {_ON_THE_SLOPE}")
    return found.midpoint


def _gate_closed(found: Cliff) -> ClaimVerdict:
    """A cliff was foretold and the gate is shut: missed only where the drop is known to be small."""
    return ClaimVerdict.MISSED if found.drop.high < GATE else ClaimVerdict.UNDECIDED


def _flat(claim: FlatClaim, series: Series, evidence: SweepEvidence) -> Judgement:
    found = cliff(up_to(evidence.outcomes(series, claim), claim.to), draws=evidence.draws)
    return _no_cliff(found, claim.drop, f"a drop below {claim.drop:g} up to {found.lams[-1]:g}")


def _no_cliff(found: Cliff, most: float, expected: str) -> Judgement:
    """A rate that is low from the start has nothing to lose, so that it does not fall is no evidence."""
    if not found.plateau.low >= most:
        return Judgement(ClaimVerdict.UNDECIDED, expected, f"the plateau is {shown(found.plateau)}", found.drop)
    return Judgement(inside(found.drop, -1.0, most), expected, f"drop {shown(found.drop)}", found.drop)


def _cliff(claim: CliffClaim, series: Series, evidence: SweepEvidence) -> Judgement:
    found = evidence.curve(series, claim)
    verdict = ClaimVerdict.HIT if found.exists else _gate_closed(found)
    where = f", midpoint {shown(found.midpoint)}" if found.midpoint is not None else ""
    return Judgement(verdict, f"a drop above {GATE:g}", f"drop {shown(found.drop)}{where}", found.drop)


def _failures(claim: FailuresClaim, series: Series, evidence: SweepEvidence) -> Judgement:
    answers = series.answers(evidence.out)
    start = claim.lam
    if start is None:
        start = _settled(cliff(good_of(series, evidence.out), draws=evidence.draws), "there is no cliff").value
    expected = f"{claim.mostly} at least {claim.least:g} of the failures from {start:.3g} on"
    failed = [
        (one, seed)
        for (lam, seed), told in answers.items()
        if lam >= start
        for one in told
        if one.known and not one.parsed
    ]
    if not failed:
        return Judgement(ClaimVerdict.UNDECIDED, expected, "no answer failed")
    share = _share([_is(claim.mostly, one) for one, _ in failed], failed)
    return Judgement(inside(share, claim.least, 1.0), expected, f"{shown(share)} of {len(failed)} failures", share)


def _is(kind: str, outcome: AnswerOutcome) -> bool:
    return outcome.fmc if kind == "fmc" else outcome.kind == kind


def _share(hits: list[bool], failed: list[tuple[AnswerOutcome, int]]) -> Interval:
    """Over prompts and over seeds, whichever interval is wider on either side."""
    found = [
        rate_interval(list(map(float, hits)), labels)
        for labels in ([one.cluster or one.prompt for one, _ in failed], [str(seed) for _, seed in failed])
        if len(set(labels)) > 1
    ]
    if not found:
        return Interval(sum(hits) / len(hits), float("nan"), float("nan"))
    return Interval(found[0].value, min(one.low for one in found), max(one.high for one in found))


def _rate(claim: RateClaim, series: Series, evidence: SweepEvidence) -> Judgement:
    found = cliff(good_of(series, evidence.out), draws=evidence.draws)
    rate = found.rates[found.lams.index(claim.lam)]
    if claim.at is None:
        expected = f"parse rate at {claim.lam:g} within [{claim.low:g}, {claim.high:g}]"
        return Judgement(inside(rate, claim.low, claim.high), expected, shown(rate), rate)
    number = evidence.numbers[claim.id]
    if math.isnan(number):
        return Judgement(ClaimVerdict.UNDECIDED, _ABSTAINS, shown(rate), rate)
    expected = f"parse rate at {claim.lam:g}: {number:.3f} ± {claim.within:g}"
    return Judgement(inside(rate, number - claim.within, number + claim.within), expected, shown(rate), rate)


def _shift(claim: ShiftClaim, series: Series, than: Series, evidence: SweepEvidence) -> Judgement:
    before, after = (evidence.outcomes(one, claim) for one in (than, series))
    for one, told in ((than, before), (series, after)):
        _settled(cliff(told, draws=evidence.draws), f"{one.name}: there is no cliff")
    moved = midpoint_shift(before, after, draws=evidence.draws)
    assert moved is not None, "both have a cliff"
    expected = f"moves by {claim.within:g} at most" if claim.moves == "not" else f"moves {claim.moves}"
    least = np.nextafter(0.0, 1.0)
    windows = {"left": (-np.inf, -least), "right": (least, np.inf), "not": (-claim.within, claim.within)}
    # Where every draw agrees on no move at all, that is no evidence for either side.
    stuck = claim.moves != "not" and moved.low == moved.high == 0
    verdict = ClaimVerdict.UNDECIDED if stuck else inside(moved, *windows[claim.moves])
    return Judgement(verdict, expected, shown(moved), moved)


def _drift(claim: DriftClaim, series: Series, fitted: tuple[Series, ...], evidence: SweepEvidence) -> Judgement:
    star, own = evidence.numbers[fitted_star(claim)], evidence.numbers[claim.id]
    if math.isnan(star) or math.isnan(own):
        return Judgement(ClaimVerdict.UNDECIDED, _ABSTAINS, "no λ* to fit with")
    expected = f"κ of {', '.join(map(str, claim.fit))} steps foretells {series.budget}"
    curves: dict[float, Cliff] = {one.budget: evidence.curve(one, claim) for one in fitted}
    for budget, curve in curves.items():
        _settled(curve, f"no cliff after {budget} steps")
    points, found = cliff_points(curves), evidence.curve(series, claim)
    if len(points) < len(claim.fit) or found.midpoint is None:
        return Judgement(ClaimVerdict.UNDECIDED, expected, "some budget has no cliff")
    try:
        told = fit_drift(points, star).cliff(series.budget, star=own).value
    except UserError as error:
        return Judgement(ClaimVerdict.UNDECIDED, expected, error.cause)
    return _placed(found, told - claim.within, told + claim.within, f"{told:.3f} ± {claim.within:g} ({expected})")


def _tabular(claim: TabularClaim) -> Judgement:
    p, b, c = np.array(claim.cases).T
    simulated, closed = collapse_threshold(p, b, c), lambda_stars(p, b, c)
    worst = float(np.abs(simulated - closed).max())
    pairs = ", ".join(f"{one:.3f} ({other:.3f})" for one, other in zip(simulated, closed, strict=True))
    verdict = ClaimVerdict.HIT if worst <= claim.within else ClaimVerdict.MISSED
    return Judgement(verdict, f"λ* to within {claim.within:g}", f"{pairs}: off by {worst:.4f} at most")
