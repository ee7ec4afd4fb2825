"""How a tokenizer spells fixed text: as it would by itself (the canonical way), whatever stands before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from listeval.decoding.tokens.token_trie import ROOT, TokenTrie
from listeval.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def spelled(text: str, tokenizer: PreTrainedTokenizerBase, trie: TokenTrie) -> list[int]:
    """The canonical tokens of `text`, less the space that some tokenizers put first; else the longest that fit.

    Raises UserError where the vocabulary has no tokens for it.
    """
    canonical: list[int] = tokenizer.encode(text, add_special_tokens=False)
    letters, written = text.encode(), _text(canonical, trie)
    if written == letters:
        return canonical
    if written == b" " + letters:
        return spelled_bytes((trie.texts[canonical[0]] or b"")[1:], trie) + canonical[1:]
    return spelled_bytes(letters, trie)


def spelled_bytes(letters: bytes, trie: TokenTrie) -> list[int]:
    """Tokens for `letters`, each the longest that fits. Raises UserError where there are none."""
    found: list[int] = []
    while letters:
        best, node, length = None, ROOT, 0
        for depth, byte in enumerate(letters, 1):
            node = trie.labels.find(byte, trie.first[node], trie.first[node + 1]) + 1
            if not node:
                break
            if here := trie.tokens_at(node):
                # Vocabularies begin with their tokens for raw bytes; a letter's own token comes later.
                best, length = here[-1], depth
        if best is None:
            raise UserError(f"the tokenizer cannot spell {letters[:20]!r}", fix="use a model with another tokenizer")
        found.append(best)
        letters = letters[length:]
    return found


def _text(tokens: Sequence[int], trie: TokenTrie) -> bytes | None:
    texts = [trie.texts[token] if token < len(trie.texts) else None for token in tokens]
    return None if None in texts else b"".join(text for text in texts if text is not None)
