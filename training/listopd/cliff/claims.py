"""Predictions as a study states them, before any number is known: what is claimed, of which arms, how closely."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from listopd.cliff.arms import Method

PairRule = Literal["curve", "flip", "A", "B"]
"""Where a pair's predicted λ comes from: the target curve's midpoint, λ_flip, or λ* in the forms (A) and (B)."""
Rule = PairRule | Literal["token"]
"""One of these, or λ* of the token class that the claim is about."""
Good = Literal["parse", "safe"]
"""What falls with λ: how many answers keep the contract, or how many seeds are clip-safe at `token`."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=True)


class Where(_Strict):
    """Which series of arms of a part is meant; what is left out must not be ambiguous."""

    part: str
    pair: str | None = None
    method: Method | None = None
    cap: float | None = Field(None, gt=1, description=".inf: no cap")
    lr: float | None = Field(None, gt=0)
    budget: int | None = Field(None, ge=1, description="steps; default: the last of the part's budgets")


class _Claim(_Strict):
    id: str
    says: str = Field("", description="the prediction in words, for the report")
    of: Where
    rival: bool = Field(default=False, description="a reading to be compared with: its miss is shown, and is no miss")


class _Curve(_Claim):
    good: Good = "parse"
    token: str | None = Field(None, description="token class of `good: safe`, as the runner logs it: sep 4")

    @model_validator(mode="after")
    def _token_where_safe(self) -> Self:
        if (self.good == "safe") != (self.token is not None):
            raise ValueError("a token class is named exactly where good is safe")
        if self.token is None and "token" in {getattr(self, "at", None), getattr(self, "star", None)}:
            raise ValueError("λ* of a token class needs good: safe and the token class")
        return self


class MidpointClaim(_Curve):
    """The midpoint lies within so much of where a rule, or a number, says. A rule may also say that there is none."""

    kind: Literal["midpoint"]
    at: Rule | float
    within: float = Field(0.05, gt=0)


class FlatClaim(_Curve):
    """No cliff up to the grid's end, or to `to`: from the first λ on the rate falls by less than `drop`."""

    kind: Literal["flat"]
    to: float | None = None
    drop: float = Field(0.3, gt=0, lt=1)


class CliffClaim(_Curve):
    """There is a cliff somewhere on the grid."""

    kind: Literal["cliff"]


class FailuresClaim(_Claim):
    """Of the failed answers at `lam` and above (default: past the midpoint) at least the share `least` is of a kind."""

    kind: Literal["failures"]
    mostly: str = Field(description="fmc, or a failure kind of the contract")
    least: float = Field(0.5, gt=0, lt=1)
    lam: float | None = None


class RateClaim(_Claim):
    """The parse rate at one λ lies between two limits, or within so much of what the target curve gives there."""

    kind: Literal["rate"]
    lam: float
    low: float = Field(0.0, ge=0, le=1)
    high: float = Field(1.0, ge=0, le=1)
    at: Literal["curve"] | None = None
    within: float = Field(0.05, gt=0, lt=1)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        limited = {"low", "high"} & self.model_fields_set
        if self.at is not None and limited:
            raise ValueError("either low and high, or at and within")
        if self.at is None and ("within" in self.model_fields_set or not 0 < self.high - self.low < 1):
            raise ValueError("low is below high, and they leave something out")
        return self


class ShiftClaim(_Curve):
    """From the series `than` to this one the midpoint moves left, right, or not: by `within` at most."""

    kind: Literal["shift"]
    than: Where
    moves: Literal["left", "right", "not"]
    within: float = Field(0.05, ge=0)


class DriftClaim(_Curve):
    """κ fitted to the midpoints of the budgets `fit` foretells the midpoint of the budget in `of`, within so much.

    With `than` it is fitted to that series, of another cap say, by its own λ*.
    """

    kind: Literal["drift"]
    than: Where | None = Field(None, description="the series that κ is fitted to; default: that of `of`")
    fit: Annotated[tuple[int, ...], Field(min_length=1)]
    star: Literal["A", "B", "token"] | float = "B"
    within: float = Field(0.2, gt=0)


class TabularClaim(_Strict):
    """In the tabular Bernoulli the simulated collapse is λ* to within so much; each case is p, b, c. No arm runs."""

    kind: Literal["tabular"]
    id: str
    says: str = ""
    rival: bool = False
    cases: Annotated[tuple[tuple[float, float, float], ...], Field(min_length=1)]
    within: float = Field(0.01, gt=0)


Claim = MidpointClaim | FlatClaim | CliffClaim | FailuresClaim | RateClaim | ShiftClaim | DriftClaim | TabularClaim
PredictionSpec = Annotated[Claim, Field(discriminator="kind")]
