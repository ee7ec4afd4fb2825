"""The exact permutation inside transformers' `generate`: each row of the batch follows its own cursor.

Imports torch at the top: only the hf adapter may import this module, and only inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import LogitsProcessor

from listeval.decoding.mass import MaskedMass
from listeval.decoding.permutation.automaton import Permutation
from listeval.decoding.restrict import restrict


class PermutationProcessor(LogitsProcessor):  # type: ignore[misc]
    """One permutation a row, for one call of `generate`; to stand before any other processor.

    A row is known by its place, so beams cannot be told apart: greedy decoding and sampling only.
    Rows that have ended are left alone. With `price`, `masses` holds each row's masked mass.
    """

    def __init__(self, permutations: Sequence[Permutation], *, price: bool = True) -> None:
        self._cursors = [permutation.cursor() for permutation in permutations]
        self.masses = [MaskedMass() for _ in permutations]
        self._price = price
        self._width: int | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """`input_ids` is [rows, prompt and answer so far], `scores` [rows, vocabulary] of raw logits."""
        if len(input_ids) != len(self._cursors):
            raise ValueError(f"{len(input_ids)} rows for {len(self._cursors)} permutations: beams are not supported")
        width = input_ids.shape[1]
        # Whatever stands there at the first call is prompt, padding included.
        for step in input_ids[:, width if self._width is None else self._width :].T.tolist():
            for cursor, token in zip(self._cursors, step, strict=True):
                if not cursor.ended:
                    cursor.advance(token)
        self._width = width
        rows = [row for row, cursor in enumerate(self._cursors) if not cursor.ended]
        allowed = [self._cursors[row].allowed() for row in rows]
        for row, mass in zip(rows, restrict(scores, rows, allowed, price=self._price), strict=False):
            self.masses[row].add(mass)
        return scores
