"""Tiny checkpoints with random weights: real files, real engines, no download."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from listeval.backends.protocol import Message, Request, Sampling
from listeval.contract import Item, Record
from tests.backends.openai_case import KEY

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LINES = [
    "Return JSON list of objects.",
    '[{"review_id": 101, "score": 7}]',
    "The dress fits well, soft cloth.",
    "0123456789",
]

MakeCheckpoint = Callable[..., Path]


class Anything(Item):
    """A contract that these tests never parse with."""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No address of the developer's own, and a key that must never show."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> MakeCheckpoint:
    """A builder of folders: `make(template=..., generation={...}, seed=0)`; float32, 2 layers, head_dim 32."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")

    def make(
        template: str | None = CHATML, generation: dict[str, Any] | None = None, seed: int = 0, **config: Any
    ) -> Path:
        import torch
        from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

        folder = tmp_path_factory.mktemp("checkpoint")
        tokenizer = _tokenizer(template)
        torch.manual_seed(seed)
        defaults = {
            "vocab_size": len(tokenizer),
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 32,
            "max_position_embeddings": 512,
            "initializer_range": 0.3,
            "bos_token_id": None,
            "eos_token_id": tokenizer.convert_tokens_to_ids("<|endoftext|>"),
        }
        model = LlamaForCausalLM(LlamaConfig(**{**defaults, **config}))
        model.generation_config = GenerationConfig()
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        if generation is not None:
            (folder / "generation_config.json").write_text(json.dumps(generation))
        return folder

    return make


@pytest.fixture(scope="session")
def checkpoint(make_checkpoint: MakeCheckpoint) -> Path:
    """The plain tiny model: EOS `<|endoftext|>`, template ending turns with `<|im_end|>`."""
    return make_checkpoint()


@pytest.fixture
def messages() -> list[tuple[Message, ...]]:
    """Nine chats of very different lengths, so that every batch needs padding."""
    return [
        (Message("user", "Rate the dress. " * n + f"[Review {n}] id={100 + n}"),) for n in (1, 12, 3, 7, 2, 9, 4, 15, 5)
    ]


@pytest.fixture
def make_requests() -> Callable[..., list[Request]]:
    """Requests of a backend's own rendering, keyed by position."""

    def make(backend: Any, chats: list[tuple[Message, ...]], seed: int = 0, **sampling: Any) -> list[Request]:
        spec = Sampling(**{"max_tokens": 24, **sampling})
        contract = Record(Anything)
        return [
            Request(str(i), f"e{i}", backend.renderer.render(chat), spec, seed + i, contract)
            for i, chat in enumerate(chats)
        ]

    return make


def _tokenizer(template: str | None) -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[AddedToken(token, special=True) for token in special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(LINES * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|endoftext|>", chat_template=template)
