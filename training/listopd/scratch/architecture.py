"""A small Qwen3 or Llama architecture with random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from listopd.recipe import Scratch


def random_model(scratch: Scratch, vocab_size: int, eos: int, seed: int) -> Any:
    """The network in float32, embeddings tied; the same seed gives the same weights."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig, Qwen3Config

    config = {"qwen3": Qwen3Config, "llama": LlamaConfig}[scratch.architecture](
        vocab_size=vocab_size,
        hidden_size=scratch.hidden,
        intermediate_size=scratch.intermediate,
        num_hidden_layers=scratch.layers,
        num_attention_heads=scratch.heads,
        num_key_value_heads=scratch.heads,
        head_dim=scratch.hidden // scratch.heads,
        max_position_embeddings=scratch.max_length,
        tie_word_embeddings=True,
        eos_token_id=eos,
        pad_token_id=eos,
        bos_token_id=None,
        initializer_range=scratch.hidden**-0.5 / 2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32)
