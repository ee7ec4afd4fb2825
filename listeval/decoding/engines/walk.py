"""A whole answer through a matcher, token by token, without a model."""

from __future__ import annotations

from collections.abc import Sequence

from listeval.decoding.engines.protocol import Matcher, Vocabulary, has_bit


def walk(matcher: Matcher, tokens: Sequence[int], vocabulary: Vocabulary) -> bool:
    """Whether a matcher at its start allows every token in turn, and then an end."""
    import torch

    bits = torch.zeros((vocabulary.size + 31) // 32, dtype=torch.int32)
    for token in tokens:
        matcher.fill(bits)
        if not has_bit(bits, token) or not matcher.accept(token):
            return False
    matcher.fill(bits)
    return any(has_bit(bits, stop) for stop in vocabulary.stops)
