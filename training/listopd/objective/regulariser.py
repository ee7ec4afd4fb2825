"""Regularisers that are added to the loss: staying near the base, and staying uncertain."""

from __future__ import annotations

from torch import Tensor

from listopd.objective.weights import EXPONENT


def kl_k3(logp: Tensor, reference: Tensor) -> Tensor:
    """The k3 estimator of KL(policy || reference) a token [B, T]: never negative, unbiased on own samples.

    J. Schulman, "Approximating KL divergence" (2020). As a loss its expected gradient is that of the other
    direction, KL(reference || policy); both are 0 only at the reference. Padding may hold anything finite.
    """
    log_ratio = (reference.detach().float() - logp.float()).clamp(-EXPONENT, EXPONENT)
    return log_ratio.expm1() - log_ratio


def entropy(log_p: Tensor) -> Tensor:
    """Entropy in nats [N] of the rows of [N, V] log-probabilities; keeps their gradient."""
    return -(log_p.exp() * log_p).sum(-1)
