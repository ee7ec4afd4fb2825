"""The loss hook: verl's tensors of a micro-batch in, the loss of each answer token out.

Registered as a distillation loss that is differentiated directly (`use_policy_gradient=false`), so that the whole
objective is ours, its clips and weights included, and verl only adds up. The mathematics is `listopd.objective`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from verl.utils.metric import AggregationType, Metric
from verl.workers.utils.padding import no_padding_2_padding

from listeval.errors import UserError
from listopd.objective.regulariser import kl_k3
from listopd.objective.sampled import Sampled, sampled_loss
from listopd.verl.labels import scaffold_of
from listopd.verl.terms import AGGREGATES, PLACE, Terms

if TYPE_CHECKING:
    from listopd.verl.config import ListopdLossConfig

_SUMS = AggregationType.SUM


def listopd_loss(config: Any, distillation_config: Any, model_output: Any, data: Any) -> tuple[Tensor, dict[str, Any]]:
    """`[B, T]` loss of the answer tokens of a micro-batch, and figures for verl's log; verl's own signature.

    Raises UserError where verl was told something else than the objective, or did not compute what it needs.
    """
    told = cast("ListopdLossConfig", distillation_config.distillation_loss)
    terms = told.terms()
    _agree(terms, config)
    mask = _padded(data, "response_mask").bool()
    logp = no_padding_2_padding(model_output["log_probs"], data)
    teacher = no_padding_2_padding(data["teacher_logprobs"], data).squeeze(-1)
    old = _padded(data, "old_log_probs") if terms.objective.updates > 1 else logp.detach()
    base = _padded(data, "ref_log_prob") if terms.objective.base != "none" else None
    lam = _lambda(terms, told, data, mask)
    loss = sampled_loss(terms.objective, logp, old, teacher, base, lam, _rollout(terms, data, old), mask)
    per_token = loss.per_token
    if terms.objective.kl_to_base and base is not None:
        per_token = per_token + terms.objective.kl_to_base * kl_k3(logp, base)
    return per_token.masked_fill(~mask, 0.0), _figures(loss, teacher, lam, mask)


def _agree(terms: Terms, actor: Any) -> None:
    """What verl aggregates and repeats by its own keys must be what the objective says."""
    wanted = AGGREGATES[terms.objective.aggregate]
    if actor.loss_agg_mode != wanted:
        cause = f"actor.loss_agg_mode is {actor.loss_agg_mode}, the objective says {terms.objective.aggregate}"
        raise UserError(cause, place=PLACE, fix=f"actor_rollout_ref.actor.loss_agg_mode={wanted}")
    if actor.ppo_epochs != terms.objective.epochs:
        cause = f"actor.ppo_epochs is {actor.ppo_epochs}, the objective says epochs {terms.objective.epochs}"
        raise UserError(cause, place=PLACE, fix=f"actor_rollout_ref.actor.ppo_epochs={terms.objective.epochs}")


def _rollout(terms: Terms, data: Any, old: Tensor) -> Tensor:
    """The engine's log-probabilities; `old` itself (weight 1) where the objective has no rollout weight."""
    if data.get("rollout_is_weights", None) is not None:
        fix = "algorithm.rollout_correction.rollout_is=null; the objective's clips.rollout_cap does it"
        raise UserError("verl weighs the rollouts, too", place=PLACE, fix=fix)
    if terms.objective.clips.rollout_cap is None:
        return old
    return _padded(data, "rollout_log_probs")


def _lambda(terms: Terms, told: ListopdLossConfig, data: Any, mask: Tensor) -> float | Tensor:
    policy = terms.extrapolation.build()
    if not terms.needs_labels:
        return policy.values(cast("torch.BoolTensor", mask))
    return policy.values(cast("torch.BoolTensor", scaffold_of(_padded(data, "responses"), mask, told.labels())))


_KEYS = {
    "ref_log_prob": "actor_rollout_ref.actor.use_kl_loss=true actor_rollout_ref.actor.kl_loss_coef=0.0",
    "rollout_log_probs": "actor_rollout_ref.rollout.calculate_log_probs=true",
    "old_log_probs": "algorithm.rollout_correction.bypass_mode=false",
}
"""What makes verl compute a field."""


def _padded(data: Any, name: str) -> Tensor:
    """A field of the answers as `[B, T]`. Raises UserError where verl did not compute it."""
    found = data.get(name, None)
    if found is None:
        raise UserError(f"verl gives no '{name}'", place=PLACE, fix=_KEYS.get(name, ""))
    return cast("Tensor", found.to_padded_tensor(0) if found.is_nested else found)


def _figures(loss: Sampled, teacher: Tensor, lam: float | Tensor, mask: Tensor) -> dict[str, Any]:
    """Sums over this micro-batch: verl adds them up over micro-batches and ranks; divide by `listopd/tokens`."""
    strength = lam if isinstance(lam, Tensor) else torch.full_like(loss.advantage, lam)
    counted = {
        "tokens": mask.float(),
        "reverse_kl": loss.reference - teacher,
        "advantage": loss.advantage,
        "weight": loss.weights.values,
        "lambda": strength,
        **{f"clipped_{name}": hit.float() for name, hit in loss.acted.items()},
    }
    return {f"listopd/{name}": Metric(_SUMS, x.masked_fill(~mask, 0.0).sum()) for name, x in counted.items()}
