"""Prompts with answers as tensors: padded on the right or packed into one row, a bounded number of tokens a pass."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from listopd.recipe import Precision


_LOG = logging.getLogger(__name__)
_GPU_TOKENS = 8192
"""Twice as many where activations are recomputed, which is most of the memory: every pass has a cost of its own."""
_CPU_TOKENS = 2048
"""Fewer, for the activations of a short pass stay in a CPU's cache: a step of a small model is a sixth faster."""


class AnsweredPrompt(NamedTuple):
    """One prompt with one answer, the stop token included where the answer has one."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


class Batch(NamedTuple):
    """`[R, L]` token ids; `[B, T]` answer ids, and the place in the flattened ids that predicts each.

    There is no attention mask: padding stands on the right, where no token of the sequence looks, and
    the sequences of a packed row (R = 1) are told apart by their positions.
    """

    ids: torch.Tensor
    answers: torch.Tensor
    rows: torch.Tensor
    mask: torch.Tensor
    """`[B, T]`, true on answer tokens."""
    positions: torch.Tensor | None = None
    """`[1, L]` of a packed row, from 0 in each sequence; None where each row is one sequence."""

    @property
    def tokens(self) -> int:
        """Positions that a forward pass computes, padding counted."""
        return int(self.ids.numel())


def pad(sequences: Sequence[AnsweredPrompt], device: torch.device) -> Batch:
    """One sequence a row, padded on the right, so that positions are those of the sequence alone."""
    longest = max(map(len, sequences))
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    for i, sequence in enumerate(sequences):
        ids[i, : len(sequence)] = torch.tensor(sequence.prompt + sequence.answer)
    return _batch(ids, sequences, [i * longest for i in range(len(sequences))], device)


def pack(sequences: Sequence[AnsweredPrompt], device: torch.device) -> Batch:
    """All sequences in one row without padding, positions from 0 in each."""
    ids = torch.tensor([[token for s in sequences for token in s.prompt + s.answer]])
    positions = torch.cat([torch.arange(len(s)) for s in sequences]).unsqueeze(0)
    starts = [0]
    for sequence in sequences[:-1]:
        starts.append(starts[-1] + len(sequence))
    return _batch(ids, sequences, starts, device)._replace(positions=positions.to(device))


def _batch(
    ids: torch.Tensor, sequences: Sequence[AnsweredPrompt], starts: Sequence[int], device: torch.device
) -> Batch:
    """`starts` are the places of the sequences' first tokens in the flattened `ids`."""
    most = max(len(s.answer) for s in sequences)
    answers = torch.zeros(len(sequences), most, dtype=torch.long)
    rows = torch.zeros(len(sequences), most, dtype=torch.long)
    mask = torch.zeros(len(sequences), most, dtype=torch.bool)
    for i, (prompt, answer) in enumerate(sequences):
        n, before = len(answer), starts[i] + len(prompt) - 1
        answers[i, :n] = torch.tensor(answer)
        rows[i, :n] = torch.arange(before, before + n)
        mask[i, :n] = True
    return Batch(*(tensor.to(device) for tensor in (ids, answers, rows, mask)))


def default_tokens(device: str, *, recomputed: bool) -> int:
    """Of one pass on a device of this type."""
    if device != "cuda":
        return _CPU_TOKENS
    return 2 * _GPU_TOKENS if recomputed else _GPU_TOKENS


class BatchLayout(NamedTuple):
    """How sequences go through the networks: at most `tokens` a pass, padded or packed."""

    tokens: int
    packed: bool = False

    @classmethod
    def of(cls, precision: Precision, network: Any) -> BatchLayout:
        """As the recipe says; `auto` packs where attention skips what it masks, which flash attention alone does."""
        on_gpu = network.device.type == "cuda"
        flash = on_gpu and "flash" in network.config._attn_implementation
        default = default_tokens(network.device.type, recomputed=precision.gradient_checkpointing)
        tokens = precision.tokens_per_pass or default
        packed = precision.packing == "on" or (precision.packing == "auto" and flash)
        if packed and on_gpu and not flash:
            _warn_of_packing(network.config._attn_implementation)
        return cls(tokens, packed)

    def batches(self, sequences: Sequence[AnsweredPrompt], device: torch.device) -> Iterator[tuple[list[int], Batch]]:
        """Every sequence in one batch, with the places of the batch's rows."""
        lay = pack if self.packed else pad
        for places in passes([len(s) for s in sequences], self.tokens, packed=self.packed):
            yield places, lay([sequences[i] for i in places], device)


@cache
def _warn_of_packing(attention: str) -> None:
    """Once: packing is an expensive mistake where attention computes what it masks."""
    _LOG.warning(
        "precision.packing=on with attention '%s' computes what packing masks, which takes twice as long on a GPU:"
        " packing=off, or precision.attention=flash_attention_2",
        attention,
    )


def passes(lengths: Sequence[int], tokens: int, *, packed: bool = False) -> Iterator[list[int]]:
    """Places of sequences that go through the network together: like lengths, at most `tokens` with padding."""
    group: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        together = [*group, place]
        size = sum(lengths[i] for i in together) if packed else lengths[together[0]] * len(together)
        if group and size > tokens:
            yield group
            together = [place]
        group = together
    if group:
        yield group
