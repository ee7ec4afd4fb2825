"""What `import verl` loads (entry point group `verl.plugins`): the loss is registered under its name.

verl swallows whatever a plug-in raises, at debug level; `config` therefore asks again when it is built.
"""

from __future__ import annotations

from verl.trainer.distillation.losses import (
    DISTILLATION_LOSS_REGISTRY,
    DistillationLossSettings,
    register_distillation_loss,
)

from listopd.verl import NAME
from listopd.verl.loss import listopd_loss


def register() -> None:
    """Enter the loss; again does no harm. Raises ValueError where somebody else has taken the name."""
    if DISTILLATION_LOSS_REGISTRY.get(NAME) is not listopd_loss:
        register_distillation_loss(DistillationLossSettings(names=NAME, use_estimator=True))(listopd_loss)


register()
