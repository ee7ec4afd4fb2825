"""λ policies: which λ each token of an update sees, and how that changes with what the rollouts show.

Importing them, and building one from a recipe, needs no torch.
"""

from listopd.extrapolation.lambda_policy import LambdaPolicy, RolloutStats
from listopd.extrapolation.policy_spec import AutoSpec, ConstantSpec, ExtrapolationSpec, GuardedSpec, PerPositionSpec

__all__ = [
    "AutoSpec",
    "ConstantSpec",
    "ExtrapolationSpec",
    "GuardedSpec",
    "LambdaPolicy",
    "PerPositionSpec",
    "RolloutStats",
]
