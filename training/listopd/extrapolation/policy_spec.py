"""The λ policies as a recipe names them: `extrapolation: {kind: constant, value: 1.2}`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from listopd.extrapolation.auto import Auto
from listopd.extrapolation.guarded import Guarded
from listopd.extrapolation.lambda_policy import PLAIN, Constant, LambdaPolicy, PerPosition
from listopd.threshold.positions import SCAFFOLD_FILTER
from listopd.threshold.sequence import Aggregator


class _Spec(BaseModel, ABC):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @property
    @abstractmethod
    def extrapolates(self) -> bool:
        """Whether some token may see a λ other than 1, for which the objective needs a base."""

    @property
    @abstractmethod
    def most(self) -> float:
        """The largest λ that a token may see."""

    @abstractmethod
    def build(self) -> LambdaPolicy:
        """The policy in its first state."""

    @property
    def needs_positions(self) -> bool:
        """Whether `step` wants the probabilities at scaffold positions."""
        return False


class ConstantSpec(_Spec):
    """One λ: 0 pulls to the base, 1 is plain on-policy distillation, above 1 extrapolates."""

    kind: Literal["constant"] = "constant"
    value: float = Field(ge=0)

    @property
    def extrapolates(self) -> bool:
        return self.value != PLAIN

    @property
    def most(self) -> float:
        return self.value

    def build(self) -> LambdaPolicy:
        return Constant(self.value)


class PerPositionSpec(_Spec):
    """One λ on `scaffold` tokens, another on `values`."""

    kind: Literal["per_position"] = "per_position"
    scaffold: float = Field(ge=0)
    values: float = Field(ge=0)

    @property
    def extrapolates(self) -> bool:
        return (self.scaffold, self.values) != (PLAIN, PLAIN)

    @property
    def most(self) -> float:
        return max(self.scaffold, self.values)

    def build(self) -> LambdaPolicy:
        return PerPosition(self.scaffold, self.values)


class AutoSpec(_Spec):
    """λ kept a margin below the λ* that the rollouts imply (`Auto`); all defaults but the clip are ours."""

    kind: Literal["auto"] = "auto"
    epsilon: float = Field(0.05, ge=0, lt=1, description="margin below λ*, relative")
    aggregator: Aggregator = "mean"
    ceiling: float = Field(1.5, ge=1, description="largest λ, whatever λ* is")
    clip: float = Field(5.0, gt=1, description="c of λ*: the objective's cap on the teacher/student ratio")
    smoothing: float = Field(0.9, ge=0, lt=1, description="weight of the past; 0: the latest batch alone")
    scaffold_filter: float = Field(SCAFFOLD_FILTER, ge=0, le=1, description="least teacher probability of a position")

    @property
    def extrapolates(self) -> bool:
        return self.ceiling != PLAIN

    @property
    def most(self) -> float:
        return self.ceiling

    @property
    def needs_positions(self) -> bool:
        return True

    def build(self) -> LambdaPolicy:
        return Auto(**self.model_dump(exclude={"kind"}))


class GuardedSpec(_Spec):
    """λ that gives way when the rollouts parse less (`Guarded`); all defaults are ours."""

    kind: Literal["guarded"] = "guarded"
    value: float = Field(ge=1, description="λ at the start, and the largest")
    drop: float = Field(0.10, gt=0, lt=1, description="loss of the parse rate that λ falls for")
    recover: float = Field(0.05, ge=0, lt=1, description="loss up to which λ may rise")
    shrink: float = Field(0.5, ge=0, lt=1, description="factor of λ - 1 when λ falls")
    raise_by: float = Field(0.01, gt=0, description="how far λ rises at a time")
    patience: int = Field(5, ge=1, description="batches that are looked at together before λ rises")
    false_alarm: float = Field(
        0.05, gt=0, lt=1, description="chance in 100 batches of a constant rate that λ falls for nothing, at most about"
    )

    @model_validator(mode="after")
    def _dead_band(self) -> Self:
        if not self.recover < self.drop:
            raise ValueError(
                f"recover ({self.recover:g}) must be below drop ({self.drop:g}), or λ swings with the noise"
            )
        return self

    @property
    def extrapolates(self) -> bool:
        return self.value != PLAIN

    @property
    def most(self) -> float:
        return self.value

    def build(self) -> LambdaPolicy:
        return Guarded(**self.model_dump(exclude={"kind"}))


ExtrapolationSpec = Annotated[ConstantSpec | PerPositionSpec | AutoSpec | GuardedSpec, Field(discriminator="kind")]
