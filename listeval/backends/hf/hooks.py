"""What `model.generate` calls back between two tokens: stop when asked, and seeded sampling.

Imports torch at the top: only the hf adapter may import this module, and only inside functions.
"""

import threading
from collections.abc import Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, StoppingCriteria, TopPLogitsWarper

from listeval.backends.protocol import Sampling


class GenerationStopped(Exception):
    """Generation was asked to end; what its batch had so far is dropped and owed again."""


class StopWhenSet(StoppingCriteria):  # type: ignore[misc]
    """Ends `generate` between two tokens once the event is set, by raising `GenerationStopped`."""

    def __init__(self, event: threading.Event, rows: int, device: torch.device) -> None:
        self._event = event
        self._go_on = torch.zeros(rows, dtype=torch.bool, device=device)

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        if self._event.is_set():
            raise GenerationStopped
        return self._go_on


class GumbelSampler(LogitsProcessor):  # type: ignore[misc]
    """Makes an argmax a draw from softmax(logits / temperature), cut to the top-p nucleus.

    The Gumbel-max trick: argmax(logits / T + G) with independent standard Gumbel G is such a
    draw. Every row has its own generator, so its answer is a function of its own seed. The
    noise of a CPU and of a GPU differ.
    """

    def __init__(self, sampling: Sampling, seeds: Sequence[int], device: torch.device) -> None:
        self._temperature = sampling.temperature
        self._nucleus = TopPLogitsWarper(sampling.top_p) if sampling.top_p < 1.0 else None
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return self.noisy(scores, range(len(self._generators)))

    def noisy(self, scores: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
        """`scores` of some rows of the batch, ready for an argmax; the other rows draw nothing."""
        scores = scores / self._temperature
        if self._nucleus is not None:
            scores = self._nucleus(None, scores)
        noise = torch.empty_like(scores)
        for row, place in zip(noise, rows, strict=True):
            row.exponential_(generator=self._generators[place])
        # A zero draw would make log(0) an infinite bonus, and NaN on a masked token.
        return scores - noise.clamp_min_(torch.finfo(noise.dtype).tiny).log_()
