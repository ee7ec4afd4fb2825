"""Networks of real shapes with random weights, made where they are used, and answers for them to learn from."""

from __future__ import annotations

import copy
import random
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

    from listopd.questions import Question
    from listopd.rollout import Rollout


STUDENT, TEACHER = "tiny-sft", "tiny-teacher"
"""Checkpoints that ship."""


class Shape(NamedTuple):
    """A Qwen3 with tied embeddings."""

    hidden: int
    layers: int
    heads: int
    groups: int
    """Heads of keys and values."""
    head: int
    intermediate: int
    vocab: int = 151_936


QWEN3_1_7B = Shape(2048, 28, 16, 8, 128, 6144)
QWEN3_4B = Shape(2560, 36, 32, 8, 128, 9728)
TINY_STUDENT = Shape(32, 2, 4, 2, 8, 64, 4096)
TINY_TEACHER = Shape(48, 2, 4, 2, 16, 64, 4096)


def random_network(shape: Shape, device: torch.device, *, seed: int, frozen: bool) -> Any:
    """In float32, as the trainer holds all its networks."""
    import torch
    from transformers import AutoModelForCausalLM, Qwen3Config

    config = Qwen3Config(
        vocab_size=shape.vocab,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.groups,
        head_dim=shape.head,
        max_position_embeddings=32_768,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    torch.manual_seed(seed)
    with torch.device(device):
        network = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    return network.eval().requires_grad_(not frozen)


def twin(network: Any) -> Any:
    """The same weights once more, which do not learn."""
    return copy.deepcopy(network).requires_grad_(False)


def synthetic(question: Question, count: int, prompt: int, answer: int, tokens: int) -> list[Rollout]:
    """`count` rollouts of random ids below `tokens`; lengths within a quarter of the means, the same at every call."""
    from listopd.rollout import Rollout

    rng = random.Random(0)

    def ids(mean: int) -> tuple[int, ...]:
        return tuple(rng.randrange(1, tokens) for _ in range(rng.randint(mean * 3 // 4, mean * 5 // 4)))

    found = []
    for key in range(count):
        asked, said = question._replace(prompt=ids(prompt), key=key), ids(answer)
        found.append(Rollout(asked, said, (-1.0,) * len(said), "length"))
    return found
