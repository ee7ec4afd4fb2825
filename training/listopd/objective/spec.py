"""What is optimised, as data: every choice of the objective by name, validated when a recipe is read.

A field is never ignored: a combination in which it could not act is refused (`illegal`), except where it is
only the number of updates that keeps it from acting, which `ObjectiveSpec.inert` reports.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from listopd.objective.illegal import faults, needs_offset

Kind = Literal["reinforce", "ppo", "aspo", "cispo"]
Divergence = Literal["sampled", "rkl", "fkl", "gjsd", "rkl_topk"]
Aggregate = Literal["token_mean", "sequence_mean"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ClipSpec(_Part):
    """Five clips that literature and code often call by one name; None switches a clip off.

    `epsilon_low`, `epsilon_high`: the ratio current/old is held in [1 - epsilon_low, 1 + epsilon_high].
    `epsilon_at_high_entropy`: replaces both on the 20 % of an answer's tokens with the highest entropy (aspo).
    `dual`: bound on the ratio where the advantage is negative (and on its inverse elsewhere, in aspo).
    `rollout_cap`: cap on the ratio trainer/rollout engine, same weights (truncated importance sampling); when
    off, the ratio still weighs the token, without a bound.
    `teacher_ratio_cap`: cap on the ratio teacher/student inside the advantage.
    """

    epsilon_low: float | None = Field(default=None, gt=0, lt=1)
    epsilon_high: float | None = Field(default=None, gt=0)
    epsilon_at_high_entropy: float | None = Field(default=None, gt=0, lt=1)
    dual: float | None = Field(default=None, gt=1)
    rollout_cap: float | None = Field(default=None, ge=1)
    teacher_ratio_cap: float | None = Field(default=None, gt=1)

    @property
    def on(self) -> tuple[str, ...]:
        """Names of the clips that are switched on, in the order of the fields."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _split_has_two_sides(self) -> Self:
        if self.epsilon_at_high_entropy is not None and None in (self.epsilon_low, self.epsilon_high):
            raise ValueError(
                "epsilon_at_high_entropy replaces both epsilons on some tokens: set epsilon_low and epsilon_high too"
            )
        return self


class ObjectiveSpec(_Part):
    """The objective without lambda, whose policy is a spec of its own (`listopd.extrapolation`).

    `base`: the student's start, another model, or none: then `base_neutral_offset` stands for the base's
    negative log-probability at every token (log of the vocabulary size: a uniform base).
    `divergence`: `sampled` is the policy gradient of `kind` on the sampled tokens; the others are exact losses
    over the whole vocabulary to the normalised p^lambda b^(1-lambda); `rkl` with `clips.teacher_ratio_cap` is the
    sampled, capped objective in expectation instead. `beta` belongs to `gjsd`; `top_k` and
    `tail` to `rkl_topk`.
    `advantage_at`: the student in the advantage is the policy that answered (`old`) or the updated one.
    `kl_to_base`, `entropy`: coefficients of the regularisers. `temperature`: of sampling and of scoring.
    """

    base: Literal["start", "path", "none"] = "start"
    base_neutral_offset: float | None = None
    advantage_at: Literal["old", "current"] = "old"
    kind: Kind = "reinforce"
    divergence: Divergence = "sampled"
    top_k: int | None = Field(default=None, ge=1)
    tail: bool = True
    beta: float | None = Field(default=None, gt=0, lt=1)
    clips: ClipSpec = ClipSpec()
    kl_to_base: float = Field(default=0.0, ge=0)
    entropy: float = Field(default=0.0, ge=0)
    entropy_on: Literal["all", "values"] = "all"
    aggregate: Aggregate = "token_mean"
    minibatches: int = Field(default=1, ge=1)
    epochs: int = Field(default=1, ge=1)
    temperature: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _legal(self) -> Self:
        if found := faults(self):
            raise ValueError("; ".join(found))
        return self

    @property
    def full_vocabulary(self) -> bool:
        """Whether the loss needs the logits of all models, not only the sampled token's log-probability."""
        return self.divergence != "sampled"

    @property
    def updates(self) -> int:
        """Optimiser steps per rollout."""
        return self.minibatches * self.epochs

    @property
    def inert(self) -> tuple[str, ...]:
        """Fields that cannot act because one update per rollout keeps the ratio current/old at 1."""
        if self.updates > 1:
            return ()
        ratio_clips = ("epsilon_low", "epsilon_high", "epsilon_at_high_entropy", "dual")
        clips = tuple(f"clips.{name}" for name in self.clips.on if name in ratio_clips)
        kind = () if self.kind == "reinforce" else ("kind",)
        return (*kind, *clips, *(() if self.advantage_at == "old" else ("advantage_at",)))

    def check_extrapolation(self, extrapolates: bool) -> None:
        """Refuse lambda != 1 without a base unless the offset is explicit. Raises ValueError."""
        if extrapolates and (fault := needs_offset(self)):
            raise ValueError(fault)

    def digest(self) -> str:
        """sha256 of the canonical JSON: equal objectives have equal digests, whatever was left to defaults."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return sha256(canonical.encode()).hexdigest()
