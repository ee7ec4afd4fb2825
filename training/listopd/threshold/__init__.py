"""Where extrapolation stops being safe: λ*, its sequence forms, their errors, and when they may be trusted.

Needs numpy only, so that a recipe is checked and a threshold printed at once.
"""

from listopd.threshold.bernoulli import collapse_threshold, flow, tail_samples
from listopd.threshold.closed_form import (
    base_neutral,
    clip_boundary,
    clip_safe,
    lambda_flip,
    lambda_flips,
    lambda_run,
    lambda_star,
    lambda_stars,
    theta_star,
)
from listopd.threshold.drift import CliffPoint, Drift, cliff_at, first_passage, fit_drift
from listopd.threshold.evidence import Measured, class_shares, measure
from listopd.threshold.positions import SCAFFOLD_FILTER, Positions
from listopd.threshold.preconditions import (
    Applicability,
    Cap,
    Check,
    Condition,
    Evidence,
    PreconditionLimits,
    PreconditionOutcome,
    judge,
)
from listopd.threshold.sequence import (
    Aggregator,
    Threshold,
    aggregate,
    flip_threshold,
    operating_threshold,
    safety_threshold,
    tightest_threshold,
)
from listopd.threshold.uncertainty import bootstrap_interval, delta_interval, propagate

__all__ = [
    "SCAFFOLD_FILTER",
    "Aggregator",
    "Applicability",
    "Cap",
    "Check",
    "CliffPoint",
    "Condition",
    "Drift",
    "Evidence",
    "Measured",
    "Positions",
    "PreconditionLimits",
    "PreconditionOutcome",
    "Threshold",
    "aggregate",
    "base_neutral",
    "bootstrap_interval",
    "class_shares",
    "cliff_at",
    "clip_boundary",
    "clip_safe",
    "collapse_threshold",
    "delta_interval",
    "first_passage",
    "fit_drift",
    "flip_threshold",
    "flow",
    "judge",
    "lambda_flip",
    "lambda_flips",
    "lambda_run",
    "lambda_star",
    "lambda_stars",
    "measure",
    "operating_threshold",
    "propagate",
    "safety_threshold",
    "tail_samples",
    "theta_star",
    "tightest_threshold",
]
