"""The blanks of a scaffold: what may come inside a number, and where each token leads.

Inside a number every token may come that a text with this scaffold can go on with: more of the number, its end, or a
token that spans the end of the number and the beginning of the text after it. Such a token decides that the number
ends, with the digits that it brings; the text is then written canonically, not as the token would have cut or spaced
it: a model that spaces otherwise within the spacing is understood, and no mass is called masked for its spaces.

Some vocabularies have tokens of a space and a digit, and their models know numbers by these alone. There the space
before a number is part of the blank, not of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple, Self

from listeval.decoding.permutation.number_form import NumberForm, number_automaton
from listeval.decoding.spacing import MOST_WHITESPACE, WHITESPACE, Spacing
from listeval.decoding.tokens.token_trie import ROOT, Tokens, TokenTrie, as_tokens

_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[^ \t\n\r]')
"""A string, or a mark of punctuation; numbers stand in no text."""


class Blank(NamedTuple):
    """A number of `form` to decode, `lead` before it and `text` after it.

    States are those of the number, and below zero how much of the lead is still to come.
    """

    lead: bytes
    form: NumberForm
    text: str
    spacing: Spacing

    @classmethod
    def between(cls, text: str, form: NumberForm, after: str, spacing: Spacing, trie: TokenTrie) -> Self:
        """The blank between two texts, which takes the whitespace before it where tokens join that to digits."""
        lead = text[len(text.rstrip(WHITESPACE)) :].encode()
        digits = bytes(number_automaton(form).edges[0])
        joined = any(trie.has_prefix(lead[at:] + bytes([digit])) for at in range(len(lead)) for digit in digits)
        return cls(lead if joined else b"", form, after, spacing)

    @property
    def start(self) -> int:
        """The state before anything of it is written."""
        return -len(self.lead)

    @property
    def leaves_spaces_open(self) -> bool:
        """Whether a model may leave its lead out; it is then written for it."""
        return self.spacing in (Spacing.EITHER, Spacing.FREE)


class Step(NamedTuple):
    """Where a token leads: to a state of the number, or to its end (`state` None) after more of its `letters`.

    `lead` is what the token left out and has to be written before it.
    """

    state: int | None
    letters: bytes
    lead: bytes = b""


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
def choice(trie: TokenTrie, blank: Blank, state: int) -> Choice:
    """What may come in `state` of a blank."""
    found = dict(_walk(trie, blank, state))
    if state == blank.start < 0 and blank.leaves_spaces_open:
        bare = _walk(trie, blank, 0)
        found |= {token: step._replace(lead=blank.lead) for token, step in bare if token not in found}
    return Choice(as_tokens(list(found)), tuple(found.values()))


def _walk(trie: TokenTrie, blank: Blank, state: int) -> Iterator[tuple[int, Step]]:
    tail = _Tail.of(blank.text, blank.spacing)
    # A place is the state in the blank, or behind it the letters of the text and the spaces after them.
    open_ends: list[tuple[int, int | _Place, bytes]] = [(ROOT, state, b"")]
    while open_ends:
        node, here, letters = open_ends.pop()
        if node != ROOT:
            step = Step(here if isinstance(here, int) else None, letters)
            yield from ((token, step) for token in trie.tokens_at(node))
        low, high = trie.first[node], trie.first[node + 1]
        for byte, after in _moves(blank, tail, here):
            if child := trie.labels.find(byte, low, high) + 1:
                open_ends.append((child, after, letters + bytes([byte]) if isinstance(after, int) else letters))


_Place = tuple[int, int]


def _moves(blank: Blank, tail: _Tail, here: int | _Place) -> Iterator[tuple[int, int | _Place]]:
    if not isinstance(here, int):
        yield from tail.moves(*here)
    elif here < 0:
        yield blank.lead[here], here + 1
    else:
        automaton = number_automaton(blank.form)
        yield from automaton.edges[here].items()
        if here in automaton.ends:
            yield from tail.moves(0, 0)


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

    def moves(self, written: int, spaced: int) -> Iterator[tuple[int, _Place]]:
        """Bytes that may follow `written` letters and `spaced` whitespace after them, and how much is then written."""
        if written < len(self.letters):
            yield self.letters[written], (written + 1, 0)
        if written in self.gaps and spaced < self.most:
            for byte in self.spaces:
                yield byte, (written, spaced + 1)
