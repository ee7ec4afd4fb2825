"""Whether a permutation can write a given text at all, whatever the vocabulary."""

from __future__ import annotations

from functools import lru_cache

from listeval.decoding.permutation.automaton import Permutation
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.tokens.token_trie import TokenTrie

_STOP = 0


def out_of_reach(spec: PermutationSpec, text: str) -> str | None:
    """Where the text leaves the answers of `spec`, in a few words; None for one of them."""
    cursor = Permutation(spec, _bytes(), [_STOP]).cursor()
    letters = text.encode("utf-8", "replace")
    for at, byte in enumerate(letters):
        try:
            cursor.advance(byte + 1)
        except ValueError:
            before, after = letters[max(0, at - 30) : at], letters[at : at + 8]
            return f"{_shown(before)} cannot go on with {_shown(after)}"
    return None if cursor.complete else f"{_shown(letters[-30:])} is not the end"


@lru_cache(maxsize=1)
def _bytes() -> TokenTrie:
    return TokenTrie([None, *(bytes([byte]) for byte in range(256))])


def _shown(letters: bytes) -> str:
    return repr(letters.decode("utf-8", "replace"))
