"""What is foretold of a series before it is trained: closed forms, flip, and the target curve's midpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from listopd.cliff.arms import PairForecast
from listopd.cliff.claims import PairRule, Rule
from listopd.cliff.observe import curve_of
from listopd.cliff.records import AnswerOutcome
from listopd.estimates import GATE, Cliff, cliff
from listopd.threshold.closed_form import lambda_flip, lambda_star

FORMS = ("A", "B")
"""Aggregates in `PairForecast.positions`; every other name there is a token class."""


class CliffEstimates(NamedTuple):
    """By rule: where it puts the cliff, infinite where it says that there is none, NaN where it says nothing."""

    curve: float
    flip: float
    A: float
    B: float

    def of(self, rule: PairRule) -> float:
        """The number of one rule."""
        return float(getattr(self, rule))


def estimate_cliffs(found: PairForecast, cap: float, draws: int) -> CliffEstimates:
    """The four numbers of a pair under the cap c."""
    middle = _midpoint(target_curve(found, draws))
    flips = [lambda_flip(p, b) for name, (p, b) in found.positions.items() if name not in FORMS and _inside(p, b)]
    forms = (token_star(found, name, cap) for name in FORMS)
    return CliffEstimates(middle, min(flips, default=math.nan), *forms)


def foretold_cliff(found: PairForecast, rule: Rule, cap: float, draws: int, token: str | None = None) -> float:
    """The number of one rule; `token` is the class of the rule of that name."""
    if rule == "token":
        return math.nan if token is None else token_star(found, token, cap)
    return estimate_cliffs(found, cap, draws).of(rule)


def _midpoint(curve: Cliff | None) -> float:
    """Infinite only where the curve shows that there is no cliff: too few prompts show neither."""
    if curve is None:
        return math.nan
    if curve.midpoint is not None:
        return curve.midpoint.value
    return math.inf if curve.plateau.low > GATE and curve.drop.high <= GATE else math.nan


def target_curve(found: PairForecast, draws: int) -> Cliff | None:
    """The estimates of a target curve over the λ of 1 and above; None for fewer than two of them.

    Below 1 it leads to the base, whose own rate may be anything.
    """
    kept = [(lam, told) for lam, told in zip(found.lams, found.outcomes, strict=True) if lam >= 1]
    return cliff(curve_of(*zip(*kept, strict=True)), draws=draws) if len(kept) > 1 else None


def foretold_rate(found: PairForecast, lam: float) -> float:
    """The parse rate that the target curve gives at λ; NaN where it was not decoded there, or no answer is known."""
    at = [told for known, told in zip(found.lams, found.outcomes, strict=True) if known == lam]
    parsed = [one.parsed for one in at[0] if one.known] if at else []
    return sum(parsed) / len(parsed) if parsed else math.nan


def token_star(found: PairForecast, name: str, cap: float) -> float:
    """λ* under the cap c of a token class, or of what A and B stand for; NaN where it was not measured."""
    p, b = found.positions.get(name, (math.nan, math.nan))
    if not _inside(p, b):
        return math.nan
    return math.inf if math.isinf(cap) else lambda_star(p, b, cap)


def to_json(found: PairForecast) -> dict[str, Any]:
    """JSON values, every answer with its prompt."""
    return {
        "lams": list(found.lams),
        "outcomes": [[list(outcome) for outcome in told] for told in found.outcomes],
        "positions": {name: list(pb) for name, pb in found.positions.items()},
    }


def from_json(value: Mapping[str, Any]) -> PairForecast:
    """What `to_json` gave. Raises TypeError, KeyError or ValueError for anything else."""
    outcomes = TypeAdapter(tuple[tuple[AnswerOutcome, ...], ...]).validate_python(value["outcomes"])
    positions = {str(name): (float(p), float(b)) for name, (p, b) in value["positions"].items()}
    return PairForecast(tuple(map(float, value["lams"])), outcomes, positions)


def _inside(p: float, b: float) -> bool:
    return 0 < p < 1 and 0 < b < 1
