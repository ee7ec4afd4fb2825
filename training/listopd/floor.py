"""The arithmetic floor of a step: how long it would take if every multiplication ran at the machine's best rate.

Reported beside each step as `times_floor`, so that a slow step can be told from a large one. Counted:
2 multiply-adds a weight and token forwards, as many back to the activations, and as many again for the
gradient of those weights that learn (with adapters only theirs); once more forwards where activations are
recomputed; one pass for what only scores and one for the rollout's prompt; the head on answer rows only;
attention's own products, heads x head size wide; and decoding at the larger of its arithmetic and one read
of the weights a token. Of a mixture of experts a token goes through those that it is sent to, and no others count.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from listopd.batch import AnsweredPrompt

_GPUS = (
    (r"\bGB200\b", "GB200", 2500e12, 8.0e12, 197),
    (r"\bB200\b", "B200", 2250e12, 8.0e12, 191),
    (r"\bGH200 144G", "GH200 144 GB", 990e12, 4.9e12, 150),
    (r"\bGH200\b", "GH200", 990e12, 4.0e12, 101),
    (r"\bH200 NVL\b", "H200 NVL", 836e12, 4.8e12, 150),
    (r"\bH200\b", "H200 SXM", 989e12, 4.8e12, 150),
    (r"\bH100 NVL\b", "H100 NVL", 835e12, 3.9e12, 100),
    (r"\bH100 PCIe\b", "H100 PCIe", 756e12, 2.0e12, 85),
    (r"\bH100\b", "H100 SXM", 989e12, 3.35e12, 85),
    (r"\bH20\b", "H20", 148e12, 4.0e12, 102),
    (r"\bA100-SXM4-40GB\b|\bA100-PCIE-40GB\b", "A100 40 GB", 312e12, 1.555e12, 42),
    (r"\bA100 80GB PCIe\b", "A100 80 GB PCIe", 312e12, 1.935e12, 85),
    (r"\bA100-SXM4-80GB\b", "A100 80 GB SXM", 312e12, 2.039e12, 85),
    (r"\bL40S\b", "L40S", 362e12, 0.864e12, 47),
    (r"\bL4\b", "L4", 121e12, 0.3e12, 23),
)
"""By what the driver calls a card, the special before the general: dense bfloat16 products and bytes of memory a
second, from the makers' data sheets, and 10^9 bytes of memory as drivers have them: a sheet's 80 GB are 85, seen on an
H100 SXM. Of a card with parts switched off (MIG) the whole is taken."""
_EXPERTS_A_TOKEN = ("num_experts_per_tok", "moe_topk", "moe_top_k", "top_k_experts", "num_experts_per_token")
"""What configurations call it."""
_SIDE, _ROUNDS = 1024, 3
_GPU_SIDE, _GPU_BYTES = 8192, 1 << 30


@dataclass(frozen=True)
class Machine:
    """Best rates: floating point operations and bytes a second. `source` says where they come from.

    `memory` in bytes, 0 where it is not known.
    """

    flops: float
    bandwidth: float
    source: str
    name: str = ""
    memory: float = 0.0


@dataclass(frozen=True)
class Size:
    """What a pass through a network costs a token: weights of the body and of the head, layers x heads x head size.

    `learned_body` and `learned_head` are those of them that learn.
    """

    body: int
    head: int
    attention: int
    learned_body: int = 0
    learned_head: int = 0

    @classmethod
    def of(cls, network: Any) -> Size:
        """Counted from the network; embeddings are looked up, not multiplied."""
        config = network.config.get_text_config()
        head, embeddings = network.get_output_embeddings().weight, network.get_input_embeddings().weight
        shares = _shares_of_experts(network, config)
        body = [p for p in network.parameters() if p is not head and p is not embeddings]
        used = [round(p.numel() * shares.get(id(p), 1.0)) for p in body]
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return cls(
            sum(used),
            head.numel(),
            config.num_hidden_layers * config.num_attention_heads * size,
            sum(n for n, p in zip(used, body, strict=True) if p.requires_grad),
            head.numel() if head.requires_grad else 0,
        )

    def forward(self, tokens: int, rows: int, length: float) -> float:
        """FLOPs of one pass over `tokens` of sequences of mean `length`, the head on `rows` of them."""
        return 2.0 * (self.body * tokens + self.head * rows + self.attention * tokens * length)

    def learning(self, tokens: int, rows: int, length: float) -> float:
        """FLOPs of the way back of such a pass: to all activations, and to the weights that learn."""
        own = 2.0 * (self.learned_body * tokens + self.learned_head * rows + self.attention * tokens * length)
        return self.forward(tokens, rows, length) + own


def _shares_of_experts(network: Any, config: Any) -> dict[int, float]:
    """By the id of a routed expert's weight the share of its experts that a token is sent to."""
    told = (getattr(config, name, None) for name in _EXPERTS_A_TOKEN)
    chosen = next((count for count in told if isinstance(count, int)), None)
    found: dict[int, float] = {}
    for name, module in network.named_modules():
        count = getattr(module, "num_experts", None) or (len(module) if hasattr(module, "__len__") else 0)
        if name.rpartition(".")[2] == "experts" and chosen and count:
            found |= dict.fromkeys(map(id, module.parameters()), min(1.0, chosen / count))
    return found


def machine(device: torch.device) -> Machine:
    """Rates of a known GPU; of anything else as measured now (a tenth of a second).

    A CPU's memory traffic counts as free, for the weights of a small model stay in its caches.
    """
    if device.type != "cuda":
        best = min(_seconds(torch.randn(_SIDE, _SIDE)) for _ in range(_ROUNDS))
        return Machine(2 * _SIDE**3 / best, float("inf"), source=f"measured, {_SIDE}^3 product in float32")
    return known(torch.cuda.get_device_name(device)) or _measured(device)


def known(name: str) -> Machine | None:
    """The rates of a card by its name, None for one that the table lacks."""
    found = next((row for row in _GPUS if re.search(row[0], name)), None)
    return _card(found) if found else None


def cards() -> list[Machine]:
    """All cards of the table."""
    return [_card(row) for row in _GPUS]


def _card(row: tuple[str, str, float, float, int]) -> Machine:
    _, name, flops, bandwidth, gigabytes = row
    return Machine(flops, bandwidth, f"{name} data sheet", name, gigabytes * 1e9)


def _measured(device: torch.device) -> Machine:
    """Of a large bfloat16 product, and of a copy that no cache holds."""
    factor = torch.randn(_GPU_SIDE, _GPU_SIDE, device=device, dtype=torch.bfloat16)
    product = min(_seconds(factor) for _ in range(_ROUNDS))
    block = torch.zeros(_GPU_BYTES, device=device, dtype=torch.uint8)
    copy = min(_seconds(block) for _ in range(_ROUNDS))
    source = f"measured, {_GPU_SIDE}^3 product in bfloat16 and a copy of {_GPU_BYTES >> 30} GiB"
    return Machine(2 * _GPU_SIDE**3 / product, 2 * _GPU_BYTES / copy, source=source)


def _seconds(a: torch.Tensor) -> float:
    """Of one product of a matrix with itself, or one copy of a vector, waited for."""
    started = time.perf_counter()
    done = a @ a if a.dim() == 2 else a.clone()
    done.flatten()[0].item()
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
    def of(cls, sequences: Sequence[AnsweredPrompt], epochs: int, recomputed: bool) -> Work:
        """The work that these sequences make."""
        answers = [len(sequence.answer) for sequence in sequences]
        prompts = sum(len(sequence.prompt) for sequence in sequences)
        return cls(prompts, sum(answers), len(answers), max(answers), epochs, recomputed)

    def floor_seconds(self, student: Size, frozen: Sequence[Size], best: Machine, *, rollouts: bool) -> float:
        """The least seconds that the step can take; `rollouts`: the student also wrote the answers."""
        tokens = self.prompt_tokens + self.answer_tokens
        length = tokens / self.sequences
        there = student.forward(tokens, self.answer_tokens, length) * (2 if self.recomputed else 1)
        learned = (there + student.learning(tokens, self.answer_tokens, length)) * self.epochs
        scored = sum(size.forward(tokens, self.answer_tokens, length) for size in frozen)
        if not rollouts:
            return (learned + scored) / best.flops
        prompt = student.forward(self.prompt_tokens, self.sequences, length)
        decoded = student.forward(self.answer_tokens, self.answer_tokens, length) / best.flops
        read = self.longest_answer * 2.0 * (student.body + student.head) / best.bandwidth
        return (learned + scored + prompt) / best.flops + max(decoded, read)
