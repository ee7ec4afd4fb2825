"""Batches of logits cut down to their allowed tokens, in place, by a handful of tensor operations.

What is allowed is a few tokens in a vocabulary of 100,000, so their places are sent to the device, not
a mask of the vocabulary. Imports torch at the top: only processors that run inside an engine import this.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from listeval.decoding.tokens.token_trie import Tokens


def restrict(logits: torch.Tensor, rows: Sequence[int], allowed: Sequence[Tokens], *, price: bool) -> list[float]:
    """Set all but the `allowed` tokens (by row of `rows`) of `logits` [batch, vocabulary] to -inf.

    Returns, where `price` is asked for, the logarithm of the probability mass of each row's allowed
    tokens before (fp32); this waits for the device. Other rows are not touched.
    """
    if not rows:
        return []
    sizes = [len(tokens) for tokens in allowed]
    segment = np.repeat(np.arange(len(rows)), sizes)
    places = torch.from_numpy(np.stack([segment, np.asarray(rows)[segment], np.concatenate(allowed)]))
    segments, at_rows, at_tokens = places.to(logits.device, non_blocking=True)
    kept = logits[at_rows, at_tokens]
    masses: list[float] = []
    if price:
        # Rows may come in any order, even when they are all: `whole` has theirs.
        whole = logits if list(rows) == list(range(len(logits))) else logits[torch.tensor(rows, device=logits.device)]
        masses = _log_masses(kept.float(), segments, whole.float().logsumexp(-1))
    if len(rows) == len(logits):
        logits.fill_(-torch.inf)
    else:
        logits.index_fill_(0, torch.tensor(rows, device=logits.device), -torch.inf)
    logits[at_rows, at_tokens] = kept
    return masses


def _log_masses(kept: torch.Tensor, segments: torch.Tensor, whole: torch.Tensor) -> list[float]:
    """log-sum-exp of `kept` by segment less that of the whole row; all fp32, `whole` is [rows]."""
    top = torch.full_like(whole, -torch.inf).scatter_reduce_(0, segments, kept, "amax")
    top = top.clamp_min(torch.finfo(top.dtype).min)
    sums = torch.zeros_like(whole).index_add_(0, segments, (kept - top[segments]).exp())
    found: list[float] = (sums.log() + top - whole).tolist()
    return found
