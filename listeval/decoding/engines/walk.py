"""A whole answer through a matcher, token by token, without a model."""

from __future__ import annotations

from collections.abc import Sequence

from listeval.decoding.engines.engine_protocol import EngineVocabulary, Matcher, has_bit
from listeval.decoding.scaffold.tokens import spelled
from listeval.decoding.tokens.token_trie import trie_of
from listeval.errors import UserError


def tokens_of(text: str, vocabulary: EngineVocabulary) -> list[int]:
    """Tokens that stand for `text` alone: some tokenizers put a space before it, which would be refused for itself."""
    tokenizer = vocabulary.tokenizer
    try:
        return spelled(text, tokenizer, trie_of(tokenizer, vocabulary.size))
    except UserError:  # a family whose bytes we do not know
        return list(tokenizer.encode(text, add_special_tokens=False))


def walk(matcher: Matcher, tokens: Sequence[int], vocabulary: EngineVocabulary) -> bool:
    """Whether a matcher at its start allows every token in turn, and then an end."""
    import torch

    bits = torch.zeros((vocabulary.size + 31) // 32, dtype=torch.int32)
    for token in tokens:
        matcher.fill(bits)
        if not has_bit(bits, token) or not matcher.accept(token):
            return False
    matcher.fill(bits)
    return any(has_bit(bits, stop) for stop in vocabulary.stops)
