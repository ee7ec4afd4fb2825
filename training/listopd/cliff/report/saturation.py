"""Where the clip saturates at the token classes that a study's predictions are about, beside λ* of each class."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from listeval.errors import UserError
from listopd.cliff.arms import PairForecast
from listopd.cliff.claims import Claim
from listopd.cliff.cliff_rules import token_star
from listopd.cliff.observe import good_of
from listopd.cliff.series import Series
from listopd.estimates import Cliff, cliff


class Saturation(NamedTuple):
    """Of one series at one token class."""

    curve: Cliff | None
    """How many seeds stay in the clip-safe region, over λ; None without a cap, and where arms have not logged it."""
    star: float
    """λ* from the class's own p and b, and the cap."""


def named_tokens(claims: Iterable[Claim]) -> list[str]:
    """The token classes, each once."""
    told = (getattr(claim, "token", None) for claim in claims)
    return list(dict.fromkeys(token for token in told if token is not None))


def saturation_of(
    series: Series, arms: Path, tokens: Iterable[str], foretold: PairForecast, draws: int
) -> Mapping[str, Saturation]:
    """By token class."""
    return {
        token: Saturation(_curve(series, arms, token, draws), token_star(foretold, token, series.cap))
        for token in tokens
    }


def _curve(series: Series, arms: Path, token: str, draws: int) -> Cliff | None:
    if math.isinf(series.cap):
        return None
    try:
        return cliff(good_of(series, arms, "safe", token), draws=draws)
    except UserError:
        # Too few λ, or arms that have not run or do not log this class: the table has a dash.
        return None
