"""From losses a token to one number, such that no split of a batch changes it.

Means of means weigh the tokens of a short micro-batch more. So every micro-batch on every rank divides its sum
by the same global count, and the results are added.
"""

from __future__ import annotations

import torch
from torch import Tensor

from listopd.objective.spec import Aggregate


def aggregate(per_token: Tensor, mask: Tensor, how: Aggregate, denominator: float) -> Tensor:
    """This micro-batch's share, a scalar in fp32, of the mean over the global batch; `per_token` is [B, T].

    `denominator` counts what the mean is over, in all micro-batches and on all ranks: tokens for `token_mean`,
    non-empty answers for `sequence_mean`. A micro-batch without tokens gives 0 and still carries a graph, so
    that all ranks take part in the backward pass. Shares add up; a wrapper that averages gradients over ranks
    needs the loss times their number. Raises ValueError for a denominator that is not positive.
    """
    if denominator <= 0:
        raise ValueError(f"denominator {denominator}: the global batch has no answer tokens")
    sums = torch.where(mask, per_token.float(), 0.0).sum(-1)
    if how == "sequence_mean":
        sums = sums / mask.sum(-1).clamp(min=1)
    return sums.sum() / denominator
