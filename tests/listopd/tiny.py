"""A byte-level tokenizer whose punctuation merges, and random Qwen3 models over it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

END = "<|end|>"
MERGES = [
    ('"', ":"), ('":', '"'), ('"', ","), ('",', '"'), ("}", ","), ("}", "]"), ("{", '"'), ("[", '{"'), ("},", '{"'),
    ("i", "d"), ('"', "}"), ('"}', ","), ("1", "0"), ("7", "}"),
]  # fmt: skip
ANSWERS = (
    '[{"id":"a1","s":7},{"id":"b2","s":10}]',
    '[{"id": "b2", "s": "3"}, {"id": "a1", "s": 0}]',
    '[{"s":7},{"s":1},{"s":10}]',
)
CHAT = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"


@lru_cache(maxsize=4)
def tiny_tokenizer(chat: str = CHAT, merges: int = len(MERGES)) -> Any:
    """All bytes, and the first `merges` of MERGES."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pairs = MERGES[:merges]
    names = dict.fromkeys([*sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(pair) for pair in pairs)])
    core = Tokenizer(models.BPE({name: at for at, name in enumerate(names)}, pairs))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken(END, special=True)])
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token=END, pad_token=END, chat_template=chat)


def tiny_model(seed: int = 0, width: int | None = None, scale: float = 0.3) -> Any:
    """A random Qwen3 over the tokenizer, fp32, in evaluation mode; `scale` is how far from uniform it is."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=width or len(tiny_tokenizer()),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=1024,
        initializer_range=scale,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tiny_tokenizer().eos_token_id,
    )
    return Qwen3ForCausalLM(config).eval()


def save(folder: Path, tokenizer: Any, **model: Any) -> Path:
    """A checkpoint folder of a random model with a tokenizer."""
    tiny_model(**model).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
