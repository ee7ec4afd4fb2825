"""Objective and λ as verl's configuration holds them: validated, refused where verl cannot give what they need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from listeval.errors import UserError
from listopd.extrapolation import ExtrapolationSpec
from listopd.extrapolation.policy_spec import PerPositionSpec
from listopd.objective.spec import Aggregate, ObjectiveSpec

PLACE = "distillation.distillation_loss"
AGGREGATES: dict[Aggregate, str] = {"token_mean": "token-mean", "sequence_mean": "seq-mean-token-mean"}
"""verl's names (`actor.loss_agg_mode`)."""

_LAMBDA: TypeAdapter[ExtrapolationSpec] = TypeAdapter(ExtrapolationSpec)


class Terms(NamedTuple):
    """What is optimised: the same two specs as in a recipe of `listeval train`."""

    objective: ObjectiveSpec
    extrapolation: ExtrapolationSpec

    @property
    def needs_labels(self) -> bool:
        """Whether λ depends on what a token writes."""
        return isinstance(self.extrapolation, PerPositionSpec)


def read_terms(objective: Mapping[str, Any], extrapolation: Mapping[str, Any] | float) -> Terms:
    """Both specs from plain data; a number is a constant λ. Raises UserError for what is wrong or cannot be had."""
    told = extrapolation if isinstance(extrapolation, Mapping) else {"kind": "constant", "value": extrapolation}
    terms = Terms(_valid(ObjectiveSpec.model_validate, objective, "objective"), _valid(_lambda, told, "extrapolation"))
    try:
        terms.objective.check_extrapolation(terms.extrapolation.extrapolates)
    except ValueError as error:
        raise UserError(str(error), place=PLACE) from None
    for cause, fix in _out_of_reach(terms):
        raise UserError(cause, place=PLACE, fix=fix)
    return terms


def _lambda(told: Mapping[str, Any]) -> ExtrapolationSpec:
    return _LAMBDA.validate_python(dict(told))


def _valid(read: Any, told: Mapping[str, Any], name: str) -> Any:
    try:
        return read(dict(told))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([PLACE, name, *map(str, first["loc"])])
        raise UserError(first["msg"].removeprefix("Value error, "), place=where) from None


def _out_of_reach(terms: Terms) -> list[tuple[str, str]]:
    """What the loss hook of verl 0.9.1 does not see, with what to do instead."""
    spec, kind = terms.objective, terms.extrapolation.kind
    found = []
    if kind in ("guarded", "auto"):
        sees = "the parse rate of a whole batch" if kind == "guarded" else "the teacher's whole distribution"
        found.append((f"the λ policy '{kind}' needs {sees}, which verl's loss does not see", "constant, per_position"))
    if spec.full_vocabulary:
        cause = f"divergence {spec.divergence} needs teacher's and base's whole distributions, verl gives one token's"
        found.append((cause, "divergence: sampled, or train with `listeval train`"))
    if spec.base == "path":
        found.append(("verl's reference policy is always the actor's start", "base: start, or none"))
    if spec.temperature != 1.0:
        found.append(("verl's teacher scores at temperature 1, whatever the rollouts' is", "temperature: 1.0"))
    if spec.entropy or spec.clips.epsilon_at_high_entropy is not None:
        found.append(("the hook sees no entropy that carries a gradient", "remove entropy, epsilon_at_high_entropy"))
    return found
