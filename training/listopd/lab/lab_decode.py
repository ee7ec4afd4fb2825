"""Answers from arms side by side: sampled by inverse CDF, greedy, or greedy from two networks' combined logits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from listopd.lab.language import END, PAD, LabAnswers, mask_of
from listopd.lab.network import Cache, Network
from listopd.objective.log_probs import log_probs


def sample(network: Network, flat: Tensor, prompts: Tensor, uniforms: Tensor) -> LabAnswers:
    """Answers [A, N, L] at temperature 1 to prompts [A, N, P], from uniform numbers [A, N, L] in [0, 1).

    The same numbers give two arms the same answer until their distributions part: λ are compared on one noise.
    """

    def choose(logits: Tensor, place: int) -> Tensor:
        below = log_probs(logits).exp().cumsum(-1)
        # The last sum is 1 but for rounding; scaled by it, a number below 1 always falls on a symbol.
        mark = uniforms[:, :, place, None] * below[..., -1:]
        return (below <= mark).sum(-1).clamp(max=logits.shape[-1] - 1)

    return _write(network, [Cache(network, flat, prompts.shape[1])], prompts, lambda seen, at: choose(seen[0], at))


def greedy(network: Network, flat: Tensor, prompts: Tensor) -> LabAnswers:
    """The modal symbol at every place."""
    caches = [Cache(network, flat, prompts.shape[1])]
    return _write(network, caches, prompts, lambda seen, at: seen[0].argmax(-1))


def greedy_target(
    network: Network, teacher: Tensor, base: Tensor, lam: Tensor, prompts: Tensor, *, floor: float = 0.0
) -> LabAnswers:
    """The modal symbol of the target p^λ b^(1-λ) at every place: weights [A, P] each, `lam` [A].

    Beyond λ = 1 a symbol counts where the base gives it `floor` or more, or the teacher prefers it, as in
    `listopd.curve.target`.
    """
    caches = [Cache(network, flat, prompts.shape[1]) for flat in (teacher, base)]
    step = (lam - 1).view(-1, 1, 1)

    def choose(seen: list[Tensor], at: int) -> Tensor:
        above, below = log_probs(seen[0]), log_probs(seen[1])
        rare = (below.exp() < floor).scatter(-1, above.argmax(-1, keepdim=True), False)
        return (above + step * (above - below)).masked_fill(rare & (step > 0), -torch.inf).argmax(-1)

    return _write(network, caches, prompts, choose)


def _write(
    network: Network, caches: list[Cache], prompts: Tensor, choose: Callable[[list[Tensor], int], Tensor]
) -> LabAnswers:
    length = network.language.answer_length
    tokens = torch.full((*prompts.shape[:2], length), PAD, device=prompts.device)
    seen = [cache.read(prompts) for cache in caches]
    # Always the whole length: to stop when all have ended would make an arm depend on its neighbours.
    for place in range(length):
        tokens[:, :, place] = choose(seen, place)
        if place + 1 < length:
            seen = [cache.read(tokens[:, :, place : place + 1]) for cache in caches]
    mask = mask_of(tokens)
    return LabAnswers(tokens.masked_fill(~mask, PAD), mask)


def ended(answers: LabAnswers) -> Tensor:
    """Whether each answer [A, N] came to its END; one that did not was cut off."""
    return (answers.tokens == END).any(-1)
