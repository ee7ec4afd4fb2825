"""Which tokens take a character transition: a vocabulary sorted by text, so that a prefix is one range of it.

A tokenizer may write `}` alone, `},` or `},{"` as one token. Given the tokens before the one that holds the character,
and the bytes of that token up to it, some tokens write a wanted byte next, others write another one, and a few end
before it and leave it to the next token. The probability of the step is the share of the first among those that decide.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]

_NONE = np.zeros(0, dtype=np.int64)


class Split(NamedTuple):
    """The vocabulary at one step, as token ids. `other` None stands for every token that is not wanted."""

    wanted: Tokens
    other: Tokens | None
    undecided: Tokens


class Vocabulary:
    """The texts of a tokenizer by token id, None for tokens without text; `stops` end an answer.

    `size` is the tokenizer's: ids beyond it are padding of a network's head, which stands for nothing and gets no
    probability.
    """

    def __init__(self, texts: Sequence[bytes | None], stops: Sequence[int], size: int | None = None) -> None:
        self.size = len(texts) if size is None else size
        pairs = sorted((text, token) for token, text in enumerate(texts) if text)
        self.texts = texts
        self._sorted = [text for text, _ in pairs]
        self._tokens = np.array([token for _, token in pairs], dtype=np.int64)
        self._stops = np.array(sorted(stops), dtype=np.int64)
        # Answers repeat their scaffold, so nearly every step of a data set has been split before.
        self.split = lru_cache(maxsize=1 << 14)(self._split)
        """`split(written, wanted)`: tokens by what they write after `written`, the part of a token before the step;
        an empty `wanted` stands for a stop token."""

    def _split(self, written: bytes, wanted: bytes) -> Split:
        if not wanted:
            return Split(self._stops, None, _NONE)
        chosen = [self._range(written + bytes([byte])) for byte in wanted]
        tokens = np.concatenate([self._tokens[low:high] for low, high in chosen])
        if not written:
            return Split(tokens, None, _NONE)
        low, high = self._range(written)
        other = np.ones(high - low, dtype=np.bool_)
        for first, last in chosen:
            other[first - low : last - low] = False
        other[: bisect_right(self._sorted, written) - low] = False
        return Split(tokens, self._tokens[low:high][other], self._shorter(written))

    def _range(self, prefix: bytes) -> tuple[int, int]:
        """Where the texts that begin with `prefix` stand."""
        after = _successor(prefix)
        low = bisect_left(self._sorted, prefix)
        return low, bisect_left(self._sorted, after, low) if after else len(self._sorted)

    def _shorter(self, written: bytes) -> Tokens:
        """The tokens that end at or before the step, and agree with what is written."""
        ends = (written[:n] for n in range(1, len(written) + 1))
        spans = [(bisect_left(self._sorted, end), bisect_right(self._sorted, end)) for end in ends]
        return np.concatenate([self._tokens[low:high] for low, high in spans])


def _successor(prefix: bytes) -> bytes:
    """The first byte string behind all that begin with `prefix`; empty where there is none."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1]) if kept else b""
