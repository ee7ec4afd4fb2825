"""Each claim's number, from what was foretold of its pair; and all claims of a study checked against its arms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from listeval.errors import UserError
from listopd.cliff.arms import PairForecast
from listopd.cliff.claims import Claim, DriftClaim, MidpointClaim, RateClaim, Rule, ShiftClaim, TabularClaim
from listopd.cliff.cliff_rules import foretold_cliff, foretold_rate
from listopd.cliff.series import Series, pick, series_of
from listopd.cliff.study import StudyFile


class ClaimSeries(NamedTuple):
    """A claim with the series that it is about; a shift has a second one, a drift those of its other budgets."""

    claim: Claim
    series: Series | None
    others: tuple[Series, ...] = ()


def claims_with_series(file: StudyFile) -> list[ClaimSeries]:
    """Every claim with its series. Raises UserError for a claim that means no series, or several."""
    series = series_of(file.arms)
    place = str(file.path)
    return [_series_of_claim(claim, series, f"{place}, prediction '{claim.id}'") for claim in file.study.predictions]


def _series_of_claim(claim: Claim, series: list[Series], place: str) -> ClaimSeries:
    if isinstance(claim, TabularClaim):
        return ClaimSeries(claim, None)
    mine = pick(claim.of, series, place)
    if isinstance(claim, ShiftClaim):
        return ClaimSeries(claim, mine, (pick(claim.than, series, place),))
    if isinstance(claim, DriftClaim):
        fitted = claim.than or claim.of
        budgets = (fitted.model_copy(update={"budget": budget}) for budget in claim.fit)
        return ClaimSeries(claim, mine, tuple(pick(one, series, place) for one in budgets))
    _check_lams(claim, mine, place)
    return ClaimSeries(claim, mine)


def _check_lams(claim: Claim, series: Series, place: str) -> None:
    lam = getattr(claim, "lam", None)
    if lam is not None and lam not in series.lams:
        raise UserError(
            f"no arm has λ = {lam:g}", place=place, fix=f"one of {', '.join(f'{x:g}' for x in series.lams)}"
        )


def numbers(aimed: Iterable[ClaimSeries], foretold: Mapping[str, PairForecast], draws: int) -> dict[str, float]:
    """What every claim is measured by: a λ, or the rate that the target curve gives at one.

    Infinite where a rule says that there is no cliff, NaN where it abstains.
    """
    found: dict[str, float] = {}
    for claim, series, others in aimed:
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
        token = getattr(claim, "token", None)
        found[claim.id] = foretold_cliff(foretold[series.pair.name], rule, series.cap, draws, token)
        if isinstance(claim, DriftClaim):
            fitted = others[0]
            found[fitted_star(claim)] = foretold_cliff(foretold[fitted.pair.name], rule, fitted.cap, draws, token)
    return found


def fitted_star(claim: DriftClaim) -> str:
    """The name of the λ* by which κ is fitted; that of the series foretold goes by the claim's own."""
    return f"{claim.id}, fitted" if claim.than is not None and isinstance(claim.star, str) else claim.id


def _rule(claim: Claim) -> Rule | None:
    if isinstance(claim, MidpointClaim | DriftClaim):
        told = claim.at if isinstance(claim, MidpointClaim) else claim.star
        return told if isinstance(told, str) else None
    return None
