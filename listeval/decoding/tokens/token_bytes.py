"""The bytes that each token of a tokenizer stands for, as its own decoder would write them.

Two families are known, and together they are nearly all that generates today: byte-level BPE
(GPT-2's alphabet of printable stand-ins for the 256 bytes) and SentencePiece-like vocabularies
(`▁` for a space, with or without `<0x0A>` tokens for single bytes).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from listeval.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SPACE = "▁"
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


def token_bytes(tokenizer: PreTrainedTokenizerBase, size: int | None = None) -> list[bytes | None]:
    """By token id the bytes of its text; None for special tokens, gaps, and tokens without text.

    `size` is the width of the model's logits, where that is less or more than the vocabulary.
    Raises UserError for a tokenizer of another family.
    """
    core = getattr(tokenizer, "backend_tokenizer", None)
    if core is None:
        raise _unknown(tokenizer, "a slow tokenizer")
    kinds = {part["type"]: part for part in _decoders(core)}
    vocabulary: Mapping[str, int] = core.get_vocab(with_added_tokens=True)
    width = size if size is not None else max(vocabulary.values(), default=-1) + 1
    found: list[bytes | None] = [None] * width
    names = list(vocabulary)
    if "ByteLevel" in kinds:
        texts = _byte_level(names)
    elif "Metaspace" in kinds or _replaces_space(kinds.get("Replace")):
        texts = _sentencepiece(names, "ByteFallback" in kinds)
    else:
        raise _unknown(tokenizer, f"decoder {', '.join(kinds) or 'none'}")
    for token, text in zip(vocabulary.values(), texts, strict=True):
        if token < width:
            found[token] = text or None
    for token in _special(tokenizer):
        if token < width:
            found[token] = None
    return found


def _special(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    added = {token for token, what in tokenizer.added_tokens_decoder.items() if what.special}
    return added | set(tokenizer.all_special_ids)


def _decoders(core: Any) -> list[dict[str, Any]]:
    """The decoder's steps, as `tokenizer.json` writes them."""
    if core.decoder is None:
        return []
    state = json.loads(core.decoder.__getstate__())
    return list(state["decoders"]) if state["type"] == "Sequence" else [state]


def _replaces_space(step: Mapping[str, Any] | None) -> bool:
    return step is not None and step["pattern"] == {"String": _SPACE} and step["content"] == " "


def _byte_level(names: list[str]) -> Iterator[bytes]:
    """Stand-ins back to bytes; a name with any other character (an added token) is its own text."""
    stand_ins = _stand_ins()
    for name in names:
        try:
            yield name.translate(stand_ins).encode("latin-1")
        except UnicodeEncodeError:
            yield name.encode()


def _sentencepiece(names: list[str], byte_fallback: bool) -> Iterator[bytes]:
    for name in names:
        byte = _BYTE.fullmatch(name) if byte_fallback and name.startswith("<0x") else None
        yield bytes.fromhex(byte[1]) if byte else name.replace(_SPACE, " ").encode()


@lru_cache(maxsize=1)
def _stand_ins() -> dict[int, int]:
    """GPT-2's alphabet: printable Latin-1 stands for itself, the 68 other bytes for U+0100 onwards.

    Those 68 never stand for themselves, so they become a character that Latin-1 cannot encode.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    foreign = dict.fromkeys(others, 0xFFFF)
    return foreign | {byte: byte for byte in printable} | {0x100 + at: byte for at, byte in enumerate(others)}


def _unknown(tokenizer: PreTrainedTokenizerBase, what: str) -> UserError:
    return UserError(
        f"the bytes of this tokenizer's tokens are unknown ({what}): neither byte-level nor SentencePiece-like",
        place=str(tokenizer.name_or_path),
        fix="use a model with a fast byte-level or SentencePiece tokenizer, or --constraint schema",
    )
