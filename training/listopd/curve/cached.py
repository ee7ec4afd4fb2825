"""One network with the cache of the rows that it is decoding, which may be dropped, kept or doubled at each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


class CachedNetwork:
    """Next-token log-probabilities, in double, of rows that grow by a token a step; `vocab` is the tokenizer's size.

    Ids of the head beyond it are padding and get no probability. `temperature` divides the logits, as in `Scorer`. Two
    of these may share one network.
    """

    def __init__(self, network: Any, vocab: int, temperature: float = 1.0) -> None:
        self._network, self._vocab, self._temperature = network, vocab, temperature
        self._cache: Any = None
        self._mask = torch.zeros(0, 0, dtype=torch.long)

    def start(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """(N, V) after each prompt. Prompts are padded on the left."""
        from transformers import DynamicCache

        width = max(map(len, prompts))
        ids = torch.zeros(len(prompts), width, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        self._cache = DynamicCache(config=self._network.config)
        self._mask = mask.to(self._network.device)
        return self._pass(ids.to(self._network.device), (self._mask.cumsum(-1) - 1).clamp(min=0))

    def go_on(self, parents: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """(M, V) after `tokens` (M,), each written behind the row that `parents` (M,) names."""
        if not torch.equal(parents, torch.arange(len(self._mask), device=parents.device)):
            self._cache.batch_select_indices(parents)
            self._mask = self._mask[parents]
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=1)
        return self._pass(tokens[:, None], self._mask.sum(-1, keepdim=True) - 1)

    def _pass(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        logits = self._network(
            input_ids=ids,
            attention_mask=self._mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        return torch.as_tensor((logits[:, -1, : self._vocab].double() / self._temperature).log_softmax(-1))
