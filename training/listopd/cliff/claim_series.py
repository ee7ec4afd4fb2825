"""Each claim's number, from what was foretold of its pair; and all claims of a study checked against its arms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from listeval.contract import Kind
from listeval.errors import UserError, did_you_mean
from listopd.cliff.arms import PairForecast
from listopd.cliff.claims import (
    Claim,
    DriftClaim,
    FailuresClaim,
    MidpointClaim,
    RateClaim,
    Rule,
    ShiftClaim,
    TabularClaim,
)
from listopd.cliff.cliff_rules import FORMS, foretold_cliff, foretold_rate
from listopd.cliff.series import Series, pick, series_of
from listopd.cliff.study import Study, StudyFile


class ClaimSeries(NamedTuple):
    """A claim with the series that it is about; a shift has a second one, a drift those of its other budgets."""

    claim: Claim
    series: Series | None
    others: tuple[Series, ...] = ()


def claims_with_series(file: StudyFile) -> list[ClaimSeries]:
    """Every claim with its series. Raises UserError for a claim that means no series, or several."""
    series = series_of(file.arms)
    found = []
    for claim in file.study.predictions:
        place = f"{file.path}, prediction '{claim.id}'"
        _check_claim(claim, file.study, place)
        found.append(_series_of_claim(claim, series, place))
    return found


def _check_claim(claim: Claim, study: Study, place: str) -> None:
    """What no arm could ever decide is refused before any is trained."""
    if getattr(claim, "good", "parse") == "safe" and study.runner.kind != "lab":
        cause = "only the laboratory logs the probabilities by token class that 'good: safe' needs"
        raise UserError(cause, place=place, fix="good: parse, or runner.kind: lab")
    kinds = ["fmc", *(kind.value for kind in Kind if kind is not Kind.OK)]
    if isinstance(claim, FailuresClaim) and claim.mostly not in kinds:
        raise UserError(f"no failure is called '{claim.mostly}'", place=place, fix=did_you_mean(claim.mostly, kinds))


def _series_of_claim(claim: Claim, series: list[Series], place: str) -> ClaimSeries:
    if isinstance(claim, TabularClaim):
        return ClaimSeries(claim, None)
    mine = pick(claim.of, series, place)
    if isinstance(claim, ShiftClaim):
        other = pick(claim.than, series, place)
        if claim.good == "safe" and len(mine.seeds) != len(other.seeds):
            cause = f"seeds are paired, and there are {len(mine.seeds)} and {len(other.seeds)}"
            raise UserError(cause, place=place, fix="give both parts the same seeds")
        return ClaimSeries(claim, mine, (other,))
    if isinstance(claim, DriftClaim):
        fitted = claim.than or claim.of
        budgets = (fitted.model_copy(update={"budget": budget}) for budget in claim.fit)
        return ClaimSeries(claim, mine, tuple(pick(one, series, place) for one in budgets))
    _check_lams(claim, mine, place)
    return ClaimSeries(claim, mine)


def _check_lams(claim: Claim, series: Series, place: str) -> None:
    """A λ that a claim names is one that is trained; a rate that falls `to` there has another one before it."""
    up_to = getattr(claim, "to", None)
    lam, able = (up_to, series.lams[1:]) if up_to is not None else (getattr(claim, "lam", None), series.lams)
    if lam is not None and lam not in able:
        raise UserError(f"no arm has λ = {lam:g}", place=place, fix=f"one of {', '.join(f'{x:g}' for x in able)}")


def numbers(aimed: Iterable[ClaimSeries], foretold: Mapping[str, PairForecast], draws: int) -> dict[str, float]:
    """What every claim is measured by: a λ, or the rate that the target curve gives at one.

    Infinite where a rule says that there is no cliff, NaN where it abstains. Raises UserError for a token class that a
    pair does not have.
    """
    found: dict[str, float] = {}
    for claim, series, others in aimed:
        token = getattr(claim, "token", None)
        if token is not None and series is not None:
            _check_token(token, foretold[series.pair.name], f"prediction '{claim.id}'")
        if isinstance(claim, RateClaim):
            if claim.at is not None and series is not None:
                found[claim.id] = foretold_rate(foretold[series.pair.name], claim.lam)
            continue
        rule = _rule(claim)
        stated = getattr(claim, "at", getattr(claim, "star", None))
        if rule is None and stated is not None:
            found[claim.id] = float(stated)
        if rule is None or series is None:
            continue
        found[claim.id] = foretold_cliff(foretold[series.pair.name], rule, series.cap, draws, token)
        if isinstance(claim, DriftClaim):
            fitted = others[0]
            found[fitted_star(claim)] = foretold_cliff(foretold[fitted.pair.name], rule, fitted.cap, draws, token)
    return found


def _check_token(token: str, found: PairForecast, place: str) -> None:
    classes = [name for name in found.positions if name not in FORMS]
    if token not in classes:
        raise UserError(f"no token class is called '{token}'", place=place, fix=did_you_mean(token, classes))


def fitted_star(claim: DriftClaim) -> str:
    """The name of the λ* by which κ is fitted; that of the series foretold goes by the claim's own."""
    return f"{claim.id}, fitted" if claim.than is not None and isinstance(claim.star, str) else claim.id


def _rule(claim: Claim) -> Rule | None:
    if isinstance(claim, MidpointClaim | DriftClaim):
        told = claim.at if isinstance(claim, MidpointClaim) else claim.star
        return told if isinstance(told, str) else None
    return None
