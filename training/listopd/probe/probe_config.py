"""What a probe is asked: field names are the command line's, with underscores."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from listopd.curve.locked import FLOOR, GRID
from listopd.recipe import Seed
from listopd.threshold.positions import SCAFFOLD_FILTER
from listopd.threshold.preconditions import Cap

On = Literal["gold", "rollouts", "both", "none"]
"""Whose answers are read: right ones, a student's, both; none leaves the target curve alone."""


class ProbeConfig(BaseModel):
    """One probe; everything that determines its numbers but the code and the models' weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    teacher: str
    base: str
    student: str | None = None
    """Who writes the rollouts; None for the base."""
    task: str
    options: dict[str, Any] = Field(default_factory=dict)
    data: str | None = None
    limit: int | None = Field(32, ge=1)
    """Examples per seed, from the front."""
    seeds: tuple[Seed, ...] = Field((0,), min_length=1)
    """Each seed groups and orders the data anew and seeds the sampler."""
    on: On = "both"
    temperature: float = Field(0.0, ge=0.0)
    """Of the rollouts; 0 is greedy."""
    score_temperature: float = Field(1.0, gt=0.0)
    """At which probabilities are taken, in the target curve, too: that of the objective of the training to come."""
    max_prompt: int | None = Field(None, ge=1)
    """Longer prompts are left out, as that training does."""
    max_tokens: int | None = Field(None, ge=1)
    """Budget of a rollout; None for the task's."""
    clip: float = Field(5.0, gt=1.0)
    """c, the cap on the teacher/student ratio."""
    cap: Cap = Cap.TEACHER_RATIO
    """What c bounds in the training that is to be predicted."""
    base_relative: bool = True
    """Whether that training extrapolates away from the base; without one λ* is that of b = 1/2."""
    steps: float | None = Field(None, gt=0)
    kappa: float | None = Field(None, gt=0)
    """The budget, and the drift rate per step: `listopd.threshold.fit_drift` of the cliffs that sweeps at two or more
    budgets showed. Nothing else gives it; without it the budget's effect is not known, and the verdict says so."""
    recipe: str | None = None
    """Where base, cap and budget were read from; without `steps` they are counted as its training counts them."""
    scaffold: float = Field(SCAFFOLD_FILTER, ge=0.0, lt=1.0)
    """Least teacher probability of a position that counts."""
    ids: bool = False
    """Count the characters of ids as scaffold."""
    curve: bool = False
    """Also decode the untrained target at `lambdas`."""
    lambdas: tuple[float, ...] = GRID
    """Of the target curve; 0 and 1, its self-test, are added."""
    floor: float = Field(FLOOR, ge=0.0, lt=1.0)
    """Least probability under the base of a token that extrapolation is taken to reach; 0 for the plain target."""
    bootstrap: int = Field(2000, ge=100)
    dtype: str = "float32"
    device: str | None = None
    enable_thinking: bool | None = None

    @model_validator(mode="after")
    def _budget(self) -> ProbeConfig:
        # A recipe has a budget, and may know no drift rate.
        if self.recipe is None and (self.steps is None) != (self.kappa is None):
            raise ValueError("steps and kappa go together: give both, or neither")
        return self

    @model_validator(mode="after")
    def _something(self) -> ProbeConfig:
        if self.on == "none" and not self.curve:
            raise ValueError("on 'none' there is nothing but the curve to measure, and it is not asked for")
        return self

    @property
    def reads_gold(self) -> bool:
        """Whether right answers are read."""
        return self.on in ("gold", "both")

    @property
    def reads_rollouts(self) -> bool:
        """Whether a student answers."""
        return self.on in ("rollouts", "both")


def build_config(values: dict[str, Any]) -> ProbeConfig:
    """Validate values from a command line. Raises UserError naming the first field that does not fit."""
    from listeval.errors import config_error

    try:
        return ProbeConfig.model_validate(values)
    except ValidationError as error:
        if not error.errors()[0]["loc"]:
            from listeval.errors import UserError

            cause = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise UserError(cause, place="probe", fix="see `listeval probe --help`") from None
        raise config_error(error, list(ProbeConfig.model_fields)) from None
