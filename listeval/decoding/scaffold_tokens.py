"""A scaffold in tokens: how fixed text is spelled, and what may come inside a number.

Fixed text is spelled as the tokenizer spells it by itself (the canonical way), whatever stands before. Inside a
number every token may come that a text with this scaffold can go on with: more of the number, its end, or a token
that spans the end of the number and the beginning of the text after it. Such a token decides that the number ends,
with the digits that it brings; the text is then written canonically, not as the token would have cut or spaced it:
a model that spaces otherwise within the spacing is understood, and no mass is called masked for its spaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, Self

from listeval.decoding.number_form import NumberAutomaton, NumberForm, number_automaton
from listeval.decoding.spacing import MOST_WHITESPACE, WHITESPACE, Spacing
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


class _Tail(NamedTuple):
    """The text after a number, in all the ways that its spacing leaves open.

    letters: the bytes that come in every way
    gaps: numbers of letters after which whitespace may stand, up to `most` of `spaces`
    """

    letters: bytes
    gaps: frozenset[int]
    spaces: bytes
    most: int

    @classmethod
    def of(cls, text: str, spacing: Spacing) -> Self:
        if spacing in (Spacing.COMPACT, Spacing.GOLD):
            return cls(text.encode(), frozenset(), b"", 0)
        pieces = [piece.encode() for piece in _PIECE.findall(text)]
        places = list(zip(accumulate(map(len, pieces), initial=0), [b"", *pieces], strict=True))
        if spacing is Spacing.EITHER:
            gaps = frozenset(end for end, piece in places if piece in (b",", b":"))
            return cls(b"".join(pieces), gaps, b" ", 1)
        gaps = frozenset(end for end, piece in places if piece != b"]")
        return cls(b"".join(pieces), gaps, WHITESPACE.encode(), MOST_WHITESPACE)

    def moves(self, written: int, spaced: int) -> Iterator[tuple[int, tuple[int, int]]]:
        """Bytes that may follow `written` letters and `spaced` whitespace after them, and how much is then written."""
        if written < len(self.letters):
            yield self.letters[written], (written + 1, 0)
        if written in self.gaps and spaced < self.most:
            for byte in self.spaces:
                yield byte, (written, spaced + 1)


_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[^ \t\n\r]')
"""A string, or a mark of punctuation; numbers stand in no text."""


@lru_cache(maxsize=4096)
def choice(trie: TokenTrie, form: NumberForm, state: int, text: str, spacing: Spacing) -> Choice:
    """What may come in `state` of a number of `form` that `text` follows, spaced as `spacing` leaves open."""
    automaton, tail = number_automaton(form), _Tail.of(text, spacing)
    tokens: list[int] = []
    steps: list[Step] = []
    # A place is the state in the number, or behind it the letters of the text and the spaces after them.
    open_ends: list[tuple[int, int | tuple[int, int], bytes]] = [(ROOT, state, b"")]
    while open_ends:
        node, here, letters = open_ends.pop()
        if node != ROOT:
            found = trie.tokens_at(node)
            tokens += found
            steps += [Step(here if isinstance(here, int) else None, letters)] * len(found)
        low, high = trie.first[node], trie.first[node + 1]
        for byte, after in _moves(automaton, tail, here):
            if child := trie.labels.find(byte, low, high) + 1:
                open_ends.append((child, after, letters + bytes([byte]) if isinstance(after, int) else letters))
    return Choice(as_tokens(tokens), tuple(steps))


def _moves(
    automaton: NumberAutomaton, tail: _Tail, here: int | tuple[int, int]
) -> Iterator[tuple[int, int | tuple[int, int]]]:
    if not isinstance(here, int):
        yield from tail.moves(*here)
        return
    yield from automaton.edges[here].items()
    if here in automaton.ends:
        yield from tail.moves(0, 0)


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
