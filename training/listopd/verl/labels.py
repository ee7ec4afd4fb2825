"""Which answer tokens are scaffold, told in a worker from the token ids alone."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from listopd.tokens import Labeller


@lru_cache(maxsize=2)
def labeller(tokenizer: str, key: str | None) -> Labeller:
    """One a tokenizer, kept for the life of the worker."""
    from listeval.models.renderer import Renderer, load_tokenizer

    loaded = load_tokenizer(tokenizer)
    return Labeller(loaded, key, Renderer(loaded).own_marks if loaded.chat_template else None)


def scaffold_of(answers: Tensor, mask: Tensor, label: Labeller) -> Tensor:
    """`[B, T]`, true on scaffold tokens of the answers; false on padding.

    Of a thought that the prompt began the end is seen, and nothing before it is scaffold; one without an end is not
    told from an answer, for no prompt is at hand.
    """
    found = torch.zeros_like(mask)
    for row, (ids, kept) in enumerate(zip(answers, mask, strict=True)):
        kinds = [each.kind.is_scaffold for each in label(ids[kept].tolist())]
        found[row, kept] = torch.tensor(kinds, dtype=torch.bool, device=mask.device)
    return found
