"""A scaffold in tokens: how fixed text is spelled, and what may come inside a number.

Fixed text is spelled as the tokenizer spells it by itself (the canonical way), whatever stands before. Inside a
number every token may come that a text with this scaffold can go on with: more of the number, its end, or a token
that spans the end of the number and the beginning of the text after it. Such a token decides that the number ends,
with the digits that it brings; the text is then written canonically, not as the token would have cut it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from listeval.decoding.number_form import NumberForm, number_automaton
from listeval.decoding.token_trie import ROOT, Tokens, TokenTrie, as_tokens
from listeval.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Step(NamedTuple):
    """Where a token leads: to a state of the number, or to its end (`state` None) after more of its `letters`."""

    state: int | None
    letters: bytes


class Choice(NamedTuple):
    """What may come at one point of a number."""

    tokens: Tokens
    steps: tuple[Step, ...]
    """By place in `tokens`."""

    def after(self, token: int) -> Step:
        """Where `token`, which is one of the choice, leads."""
        tokens: list[int] = self.tokens.tolist()
        return self.steps[tokens.index(token)]


@lru_cache(maxsize=4096)
def choice(trie: TokenTrie, form: NumberForm, state: int, text: bytes) -> Choice:
    """What may come in `state` of a number of `form` that `text` follows."""
    automaton = number_automaton(form)
    tokens: list[int] = []
    steps: list[Step] = []
    open_ends: list[tuple[int, int | None, int, bytes]] = [(ROOT, state, 0, b"")]
    while open_ends:
        node, here, written, letters = open_ends.pop()
        if node != ROOT:
            for token in trie.tokens_at(node):
                tokens.append(token)
                steps.append(Step(here, letters))
        edges = automaton.edges[here] if here is not None else {}
        low, high = trie.first[node], trie.first[node + 1]
        for byte, after in edges.items():
            if child := trie.labels.find(byte, low, high) + 1:
                open_ends.append((child, after, 0, letters + bytes([byte])))
        ends = (here is None or here in automaton.ends) and written < len(text)
        if ends and (child := trie.labels.find(text[written], low, high) + 1):
            open_ends.append((child, None, written + 1, letters))
    return Choice(as_tokens(tokens), tuple(steps))


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
