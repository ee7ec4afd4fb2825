"""The configuration class that verl's stock YAML is pointed at: `distillation.distillation_loss._target_=` this.

Hydra builds it on the driver and again in every worker, so a worker without the plug-in stops here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from verl.workers.config import DistillationLossConfig

from listeval.errors import UserError, first_line
from listopd.tokens import Labeller
from listopd.verl import NAME
from listopd.verl.labels import labeller
from listopd.verl.terms import PLACE, Terms, read_terms


@dataclass
class ListopdLossConfig(DistillationLossConfig):  # type: ignore[misc]
    """verl's fields, and the two specs of a ListOPD recipe.

    objective: as `opd.objective` of a recipe (kind, clips, aggregate, ...).
    extrapolation: as `opd.extrapolation`, or a number for a constant λ.
    tokenizer, key: for a λ by position: the student's folder, and the member of an item that holds its id.

    Raises UserError for whatever would train something else than the objective.
    """

    loss_mode: str = NAME
    use_task_rewards: bool = False
    use_policy_gradient: bool = False
    loss_max_clamp: float | None = None
    log_prob_min_clamp: float | None = None
    objective: dict[str, Any] = field(default_factory=dict)
    extrapolation: Any = 1.0
    tokenizer: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        require_plugin()
        super().__post_init__()
        for name, wanted in _FIXED.items():
            if getattr(self, name) != wanted:
                told = "null" if wanted is None else str(wanted).lower()
                cause = f"{name} is {getattr(self, name)}, which the objective has no place for"
                raise UserError(cause, place=PLACE, fix=f"{PLACE}.{name}={told}")
        if self.terms().needs_labels and self.tokenizer is None:
            raise UserError("a λ by position needs the tokenizer", place=PLACE, fix=f"+{PLACE}.tokenizer=STUDENT")

    def terms(self) -> Terms:
        """The objective and λ, validated."""
        return read_terms(_plain(self.objective), _plain(self.extrapolation))

    def labels(self) -> Labeller:
        """What a token writes."""
        assert self.tokenizer is not None, "refused above"
        return labeller(self.tokenizer, self.key)


_FIXED = {
    "loss_mode": NAME,
    "use_task_rewards": False,
    "use_policy_gradient": False,
    "loss_max_clamp": None,
    "log_prob_min_clamp": None,
}


def require_plugin() -> None:
    """Raises UserError unless verl's registry has our loss, with what kept the plug-in from loading."""
    from verl.trainer.distillation.losses import DISTILLATION_LOSS_REGISTRY

    try:
        from listopd.verl.loss import listopd_loss
        from listopd.verl.plugin import register

        register()
    except Exception as error:
        cause = f"the plug-in 'listopd' does not load: {first_line(error)}"
        raise UserError(cause, place="verl.plugins", fix="install listeval beside verl on every node") from error
    if DISTILLATION_LOSS_REGISTRY.get(NAME) is not listopd_loss:
        raise UserError(f"verl's loss '{NAME}' is not ours", place="verl.plugins", fix="remove the other plug-in")


def _plain(told: Any) -> Any:
    """Plain data of what Hydra left as a node of its own."""
    from omegaconf import OmegaConf

    if OmegaConf.is_config(told):
        return OmegaConf.to_container(told, resolve=True)
    return dict(told) if isinstance(told, Mapping) else told
