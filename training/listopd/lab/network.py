"""Many small transformers side by side: all weights have a leading arm dimension, all products are batched over it.

Pre-norm blocks without biases or gains, learnt positions, a head of its own. Every sum runs within one arm, and its
order does not depend on how many arms there are, so an arm computes the same bits alone as among others (on a CPU).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from listopd.lab.chance import generator
from listopd.lab.language import Language

ALIGNED = 64
"""An arm's weights are padded to a multiple of this, so that sums over them can be taken in two stages."""
_EPSILON = 1e-6


@dataclass(frozen=True)
class Sizes:
    """Of one network; `width` is divided among `heads`, `hidden` is the width inside the feed-forward part."""

    layers: int = 2
    width: int = 32
    heads: int = 2
    hidden: int = 64


class Layer(NamedTuple):
    """Matrices [A, in, out] of a block."""

    qkv: Tensor
    out: Tensor
    up: Tensor
    down: Tensor


class LabWeights(NamedTuple):
    """`symbols` [A, V, d], `places` [A, T, d], `head` [A, d, V]."""

    symbols: Tensor
    places: Tensor
    head: Tensor
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Network:
    """The shapes of a network for a language, and its computation; the weights are given from outside."""

    language: Language
    sizes: Sizes = Sizes()

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Of all matrices of one arm, in the order in which they lie in its row of weights."""
        d, hidden, language = self.sizes.width, self.sizes.hidden, self.language
        block = [(d, 3 * d), (d, d), (d, hidden), (hidden, d)]
        length = language.prompt_length + language.answer_length
        return [(language.symbols, d), (length, d), (d, language.symbols), *(block * self.sizes.layers)]

    @property
    def parameters(self) -> int:
        """How many weights one arm has, without the padding."""
        return sum(rows * columns for rows, columns in self.shapes)

    def initial(self, seed: int) -> Tensor:
        """The weights [P] of one arm, P a multiple of `ALIGNED`."""
        chance = generator("weights", seed)
        parts = []
        for place, (rows, columns) in enumerate(self.shapes):
            spread = _EMBEDDED if place < 2 else 1 / math.sqrt(rows)
            parts.append(torch.randn(rows * columns, generator=chance) * spread)
        parts.append(torch.zeros(-self.parameters % ALIGNED))
        return torch.cat(parts)

    def unpack(self, flat: Tensor) -> LabWeights:
        """Views of the weights [A, P]; one node of the graph, whose gradient is one concatenation."""
        lengths = [rows * columns for rows, columns in self.shapes]
        pieces = flat.split([*lengths, flat.shape[1] - sum(lengths)], dim=1)
        matrices = [part.view(-1, *shape) for part, shape in zip(pieces, self.shapes, strict=False)]
        blocks = iter(matrices[3:])
        layers = tuple(Layer(*four) for four in zip(blocks, blocks, blocks, blocks, strict=True))
        symbols, places, head = matrices[:3]
        return LabWeights(symbols, places, head, layers)

    def logits(self, weights: LabWeights, tokens: Tensor, first: int = 0) -> Tensor:
        """[A, N, T - first, V] from symbols [A, N, T]: what follows each symbol from the 0-based `first` on."""
        state = self.embed(weights, tokens)
        for layer in weights.layers:
            query, key, value = self.project(layer, state)
            state = self.finish(layer, state, _causal(query, key, value))
        return _times(_norm(state[:, :, first:]), weights.head)

    def embed(self, weights: LabWeights, tokens: Tensor, at: int = 0) -> Tensor:
        """[A, N, T, d] of symbols whose first stands at the place `at`."""
        arms, _, length = tokens.shape
        count = self.language.symbols
        shifted = tokens + torch.arange(arms, device=tokens.device).view(-1, 1, 1) * count
        symbols = F.embedding(shifted, weights.symbols.reshape(arms * count, -1))
        return _norm(symbols + weights.places[:, None, at : at + length])

    def project(self, layer: Layer, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [A N, heads, T, d / heads]."""
        arms, rows, length, _ = state.shape
        three = _times(_norm(state), layer.qkv).view(arms * rows, length, 3, self.sizes.heads, -1)
        query, key, value = three.permute(2, 0, 3, 1, 4)
        return query, key, value

    def finish(self, layer: Layer, state: Tensor, attended: Tensor) -> Tensor:
        """The block's output from its input and what it attended to."""
        state = state + _times(attended.transpose(1, 2).reshape(state.shape), layer.out)
        return state + _times(F.gelu(_times(_norm(state), layer.up)), layer.down)


_EMBEDDED = 0.2
ROWS = 4
"""Products of rows in multiples of this give the same bits wherever in memory an arm lies."""


def _norm(state: Tensor) -> Tensor:
    return F.rms_norm(state, state.shape[-1:], eps=_EPSILON)


def _times(state: Tensor, matrix: Tensor) -> Tensor:
    arms, rows, length, width = state.shape
    return torch.bmm(state.reshape(arms, rows * length, width), matrix).view(arms, rows, length, -1)


class Cache:
    """Keys and values of answers that are being written, allocated once for their whole length; no gradients."""

    def __init__(self, network: Network, flat: Tensor, rows: int) -> None:
        self.network, self.weights, self._filled = network, network.unpack(flat.detach()), 0
        sizes, language = network.sizes, network.language
        length = language.prompt_length + language.answer_length
        shape = (sizes.layers, 2, len(flat) * rows, sizes.heads, length, sizes.width // sizes.heads)
        self._held = torch.empty(shape, device=flat.device)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def read(self, tokens: Tensor) -> Tensor:
        """Append symbols [A, N, T] and say what follows the last of them: logits [A, N, V]."""
        start, end = self._filled, self._filled + tokens.shape[-1]
        state = self.network.embed(self.weights, tokens, start)
        for layer, held in zip(self.weights.layers, self._held, strict=True):
            query, *both = self.network.project(layer, state)
            for kept, new in zip(held, both, strict=True):
                kept[:, :, start:end] = new
            attended = _look_back(query, *held[:, :, :, :end]) if start else _causal(query, *both)
            state = self.network.finish(layer, state, attended)
        self._filled = end
        return _times(_norm(state[:, :, -1:]), self.weights.head).squeeze(2)


def _causal(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)


def _look_back(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """What one query [B, heads, 1, w] finds among keys and values [B, heads, t, w]; gives its shape.

    Written out: torch's attention splits a single query over threads in an order that depends on how many rows there
    are, and products of so few rows take five times as long as sums.
    """
    weights = torch.softmax((query * keys).sum(-1) / math.sqrt(query.shape[-1]), dim=-1)
    return (weights.unsqueeze(-1) * values).sum(-2, keepdim=True)
