"""Constrained `model.generate`: every row's matcher masks the logits, before any sampling.

Imports torch at the top: only the hf adapter may import this module, and only inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import LogitsProcessor

from listeval.decoding.engines.engine_protocol import Matcher
from listeval.decoding.mass import MaskedMass

_WORD = 32


class Masking(LogitsProcessor):  # type: ignore[misc]
    """One matcher a row of the batch, for one call of `generate`. Rows that ended are left alone.

    `masses` is the price of the constraint, see `MaskedMass`.
    """

    def __init__(self, matchers: Sequence[Matcher], stops: Sequence[int], device: torch.device) -> None:
        self._matchers, self._stops = matchers, frozenset(stops)
        self._live = list(range(len(matchers)))
        # Summed where the logits are: a copy each step would make the GPU wait.
        self._total, self._most, self._nats = torch.zeros(3, len(matchers), device=device).unbind()
        self._steps = [0] * len(matchers)
        self._started = False
        self._bits: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """`input_ids` is (rows, length so far), `scores` (rows, vocabulary) of raw logits."""
        if self._started:
            self._follow(input_ids[:, -1].tolist())
        self._started = True
        if not self._live:
            return scores
        allowed = self._allowed(scores)
        whole = len(self._live) == len(self._matchers)
        live = slice(None) if whole else torch.tensor(self._live, device=scores.device)
        raw = scores[live]
        masked = raw.masked_fill(~allowed, -torch.inf)
        self._price(live, (masked.logsumexp(-1) - raw.logsumexp(-1)).clamp_max(0.0))
        if whole:
            return masked
        scores = scores.clone()
        scores[live] = masked
        return scores

    @property
    def masses(self) -> list[MaskedMass]:
        """The masked mass of each row so far."""
        sums = (column.tolist() for column in (self._total, self._most, self._nats))
        return [MaskedMass(*found) for found in zip(self._steps, *sums, strict=True)]

    def _price(self, live: slice | torch.Tensor, log_allowed: torch.Tensor) -> None:
        masked = -log_allowed.expm1()
        self._total[live] += masked
        self._most[live] = torch.maximum(self._most[live], masked)
        self._nats[live] -= log_allowed

    def _follow(self, last: list[int]) -> None:
        self._live = [row for row in self._live if last[row] not in self._stops]
        for row in self._live:
            if not self._matchers[row].accept(last[row]):
                raise RuntimeError(f"the constraint engine refuses token {last[row]}, which it had allowed")

    def _allowed(self, scores: torch.Tensor) -> torch.Tensor:
        """(live rows, vocabulary) of bool, on the device of the scores."""
        width = scores.shape[1]
        if self._bits is None:
            words = (width + _WORD - 1) // _WORD
            self._bits = torch.zeros(len(self._matchers), words, dtype=torch.int32, pin_memory=scores.is_cuda)
        for row in self._live:
            self._matchers[row].fill(self._bits[row])
            self._steps[row] += 1
        bits = self._bits if len(self._live) == len(self._matchers) else self._bits[self._live]
        if not bits.any(dim=1).all():
            raise RuntimeError("the constraint engine allows no token at all")
        bits = bits.to(scores.device, non_blocking=True)
        places = torch.arange(_WORD, dtype=torch.int32, device=scores.device)
        return (bits.unsqueeze(-1) >> places & 1).bool().flatten(1)[:, :width]
