"""Log-probabilities of whole vocabulary rows, always in fp32.

In bf16 the modal token of a near-deterministic row gets the log-probability 0: the steps between numbers
around a logit of 20 are wider than the whole tail, and the signal on an answer's scaffold is gone.
"""

from __future__ import annotations

import torch
from torch import Tensor

FLOOR = -1e4
"""Stands for a masked entry's -inf, which would make inf - inf or 0 * inf in a divergence; its exp is 0."""


def log_probs(logits: Tensor) -> Tensor:
    """fp32 log-softmax of [N, V] logits of any float type, which are already divided by the temperature."""
    return torch.log_softmax(logits.float().clamp(min=FLOOR), dim=-1)
