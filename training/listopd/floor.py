"""The arithmetic floor of a step: how long it would take if every multiplication ran at the machine's best rate.

Reported beside each step as `times_floor`, so that a slow step can be told from a large one. Counted:
2 multiply-adds a weight and token, three passes' worth for what learns (four with recomputed
activations), one for what only scores and one for the rollout's prompt; the head on answer rows only;
attention's own products; and decoding at the larger of its arithmetic and one read of the weights a token.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from listopd.batch import Answered

_GPUS = {"H200": (989e12, 4.8e12), "H100": (989e12, 3.35e12), "A100": (312e12, 2.0e12), "B200": (2250e12, 8.0e12)}
"""Dense bfloat16 products and memory traffic a second, from the makers' data sheets."""
_SIDE, _ROUNDS = 1024, 3


@dataclass(frozen=True)
class Machine:
    """Best rates: floating point operations and bytes a second. `source` says where they come from."""

    flops: float
    bandwidth: float
    source: str


@dataclass(frozen=True)
class Size:
    """What a pass through a network costs a token: weights of the body and of the head, layers x width."""

    body: int
    head: int
    attention: int

    @classmethod
    def of(cls, network: Any) -> Size:
        """Counted from the network; embeddings are looked up, not multiplied."""
        config = network.config
        head = network.get_output_embeddings().weight.numel()
        total = sum(parameter.numel() for parameter in network.parameters())
        embeddings = network.get_input_embeddings().weight.numel()
        tied = config.tie_word_embeddings
        return cls(total - embeddings - (0 if tied else head), head, config.num_hidden_layers * config.hidden_size)

    def forward(self, tokens: int, rows: int, length: float) -> float:
        """FLOPs of one pass over `tokens` of sequences of mean `length`, the head on `rows` of them."""
        return 2.0 * (self.body * tokens + self.head * rows + self.attention * tokens * length)


def machine(device: torch.device) -> Machine:
    """Rates of a known GPU; of anything else the rate of a large product, measured now (a tenth of a second)."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        for known, rates in _GPUS.items():
            if known in name:
                return Machine(*rates, source=f"{known} data sheet")
    a = torch.randn(_SIDE, _SIDE, device=device)
    best = min(_timed(a) for _ in range(_ROUNDS))
    return Machine(2 * _SIDE**3 / best, float("inf"), source=f"measured, {_SIDE}^3 product in float32")


def _timed(a: torch.Tensor) -> float:
    started = time.perf_counter()
    float((a @ a)[0, 0])
    return time.perf_counter() - started


@dataclass(frozen=True)
class Work:
    """One step's tokens on one process: prompts and answers, the longest answer, and how often they learn."""

    prompt_tokens: int
    answer_tokens: int
    sequences: int
    longest_answer: int
    epochs: int
    recomputed: bool

    @classmethod
    def of(cls, sequences: Sequence[Answered], epochs: int, recomputed: bool) -> Work:
        """The work that these sequences make."""
        answers = [len(sequence.answer) for sequence in sequences]
        prompts = sum(len(sequence.prompt) for sequence in sequences)
        return cls(prompts, sum(answers), len(answers), max(answers), epochs, recomputed)

    def floor_seconds(self, student: Size, frozen: Sequence[Size], best: Machine, *, rollouts: bool) -> float:
        """The least seconds that the step can take; `rollouts`: the student also wrote the answers."""
        tokens = self.prompt_tokens + self.answer_tokens
        length = tokens / self.sequences
        learned = student.forward(tokens, self.answer_tokens, length) * (4 if self.recomputed else 3) * self.epochs
        scored = sum(size.forward(tokens, self.answer_tokens, length) for size in frozen)
        if not rollouts:
            return (learned + scored) / best.flops
        prompt = student.forward(self.prompt_tokens, self.sequences, length)
        decoded = student.forward(self.answer_tokens, self.answer_tokens, length) / best.flops
        read = self.longest_answer * 2.0 * (student.body + student.head) / best.bandwidth
        return (learned + scored + prompt) / best.flops + max(decoded, read)
