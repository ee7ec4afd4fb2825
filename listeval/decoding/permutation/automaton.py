"""Which tokens may come next, if the answer is to name every id exactly once: exact, for any vocabulary.

The answer is a byte string of a finite language: a `Skeleton` with the ids written where it leaves
room. A token may come next if its bytes lead from where the answer stands to where the answer can
still be completed, whatever they span: an id's end, punctuation, the next id's beginning, or half a
character, with what whitespace the layout's spacing leaves open. Every order, every spacing and every way to cut an
answer into tokens is reachable, nothing else is.

Nothing is compiled. What lies between ids is walked once per vocabulary and layout and kept. Where
an id goes, each id's tokens are walked once per request and counted, so that using an id up takes
its counts off. Ids are unused bits of an int; candidates are a range of their sorted spellings.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, chain
from typing import NamedTuple

import numpy as np

from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.permutation.skeleton import END, ID, LAST, MORE, START, Layout, skeleton
from listeval.decoding.permutation.spelling import check_spelling
from listeval.decoding.tokens.token_trie import ROOT, Tokens, TokenTrie, as_tokens
from listeval.errors import UserError


class Reach(NamedTuple):
    """Where tokens lead: those that stay outside ids, and the trie nodes at which one goes on into an id."""

    tokens: Tokens
    entries: tuple[int, ...] = ()


class Grammar:
    """A skeleton over a vocabulary, with all that was ever walked of it."""

    def __init__(self, trie: TokenTrie, layout: Layout) -> None:
        self.trie, self.skeleton = trie, skeleton(layout)
        self._reached: dict[tuple[int, int], Reach] = {}

    def reach(self, state: int, node: int = ROOT) -> Reach:
        """The tokens whose bytes, from `node` of the trie on, can be written from `state` on."""
        found = self._reached.get((state, node))
        if found is None:
            found = self._reached[state, node] = self._walk(state, node)
        return found

    def _walk(self, state: int, node: int) -> Reach:
        trie, edges = self.trie, self.skeleton.edges
        tokens: list[int] = []
        entries: list[int] = []
        open_ends = [(state, node)]
        while open_ends:
            here, node = open_ends.pop()
            low, high = trie.first[node], trie.first[node + 1]
            if here == ID and low < high:
                entries.append(node)
            for byte, after in edges[here].items():
                child = trie.labels.find(byte, low, high) + 1
                if child:
                    tokens += trie.tokens_at(child)
                    open_ends.append((after, child))
        return Reach(as_tokens(tokens), tuple(entries))


class Permutation:
    """A spec over a vocabulary: what all answers to one request share.

    `stops` are the tokens that end an answer. Raises UserError for an id (or a field's name) that the
    vocabulary cannot spell, and where there is no stop token.
    """

    def __init__(self, spec: PermutationSpec, trie: TokenTrie, stops: Sequence[int]) -> None:
        if not stops:
            raise UserError("the model has no stop token, so no answer could end", fix="use a model with an EOS token")
        self.stops = as_tokens(sorted(set(stops)))
        if spoken := tuple(stop for stop in self.stops.tolist() if stop < len(trie.texts) and trie.texts[stop]):
            trie = _without(trie, spoken)
        self.grammar = _grammar(trie, spec.layout)
        check_spelling(spec, trie, self.grammar.skeleton.alphabet)
        self.bodies = spec.bodies
        self.all = (1 << len(spec.bodies)) - 1
        self._tables: dict[tuple[int, bytes], _Table] = {}
        self._single: dict[tuple[int, int, int, bool], Reach] = {}

    def cursor(self) -> Cursor:
        """The start of an answer."""
        return Cursor(self)

    def range_of(self, prefix: bytes) -> tuple[int, int]:
        """The first number of the ids that begin with `prefix`, and the one after the last."""
        # No spelling holds the byte 0xFF, so it stands after all that begin with the prefix.
        return bisect_left(self.bodies, prefix), bisect_left(self.bodies, prefix + b"\xff")

    def tokens(self, node: int, prefix: bytes, unused: int) -> Tokens:
        """The tokens that go on from `node` of the trie, in an id of `unused` of which `prefix` is written."""
        low, high = self.range_of(prefix)
        candidates = unused & ((1 << high) - (1 << low))
        if candidates & (candidates - 1) == 0:
            return self._only(node, len(prefix), unused, candidates)
        table = self._tables.get((node, prefix))
        if table is None:
            tracks = [self._follow(node, body[len(prefix) :], MORE) for body in self.bodies[low:high]]
            table = self._tables[node, prefix] = _Table(tracks, low)
        return self._spanning(table.tokens(unused), table.entries, unused)

    def _only(self, node: int, written: int, unused: int, candidate: int) -> Tokens:
        """As `tokens`, where one id is left to choose."""
        number, last = candidate.bit_length() - 1, unused == candidate
        key = node, number, written, last
        reach = self._single.get(key)
        if reach is None:
            tokens, entries = self._follow(node, self.bodies[number][written:], LAST if last else MORE)
            reach = self._single[key] = Reach(as_tokens(tokens), entries)
        return self._spanning(reach.tokens, [(candidate, entry) for entry in reach.entries], unused)

    def _follow(self, node: int, rest: bytes, after: int) -> tuple[list[int], tuple[int, ...]]:
        """The tokens along the rest of an id and on from state `after`; the nodes at which a next id begins."""
        trie = self.grammar.trie
        find, first, token = trie.labels.find, trie.first, trie.token
        tokens: list[int] = []
        for byte in rest:
            node = find(byte, first[node], first[node + 1]) + 1
            if not node:
                return tokens, ()
            if token[node] >= 0:
                tokens.append(token[node])
            else:
                tokens += trie.tokens_at(node)
        if first[node] == first[node + 1]:
            return tokens, ()
        beyond = self.grammar.reach(after, node)
        return tokens + beyond.tokens.tolist(), beyond.entries

    def _spanning(self, tokens: Tokens, entries: Sequence[tuple[int, int]], unused: int) -> Tokens:
        """`tokens`, and those that span an id (its bit) and all up to the next id, and go on into that."""
        further = [self.tokens(entry, b"", unused ^ bit) for bit, entry in entries if bit & unused]
        return np.concatenate([tokens, *further]) if further else tokens


class _Table:
    """The tokens that begin or go on in one of several ids, and how many unused ids each of them serves.

    `tracks` are tokens and entries by id, from id number `first` on. The counts follow from one set of
    unused ids to the next by the ids in which they differ.
    """

    def __init__(self, tracks: Sequence[tuple[Sequence[int], Sequence[int]]], first: int) -> None:
        flat = np.fromiter(chain.from_iterable(tokens for tokens, _ in tracks), dtype=np.int64)
        self._all, self._places = np.unique(flat, return_inverse=True)
        self._bounds = list(accumulate((len(tokens) for tokens, _ in tracks), initial=0))
        self._counts = np.bincount(self._places, minlength=len(self._all))
        self._first, self._range = first, ((1 << len(tracks)) - 1) << first
        self._unused = self._range
        self._allowed = self._nonzero()
        self.entries = [(1 << (first + at), entry) for at, (_, nodes) in enumerate(tracks) for entry in nodes]

    def tokens(self, unused: int) -> Tokens:
        """The tokens that serve an unused id."""
        wanted = unused & self._range
        changed = wanted ^ self._unused
        if not changed:
            return self._allowed
        self._unused = wanted
        while changed:
            bit = changed & -changed
            at = bit.bit_length() - 1 - self._first
            self._counts[self._places[self._bounds[at] : self._bounds[at + 1]]] += 1 if bit & wanted else -1
            changed ^= bit
        self._allowed = self._nonzero()
        return self._allowed

    def _nonzero(self) -> Tokens:
        found: Tokens = self._all[self._counts > 0]
        found.flags.writeable = False
        return found


class Cursor:
    """Where one answer stands. `ended` once its stop token was written."""

    __slots__ = ("_permutation", "_prefix", "_state", "_unused", "ended")

    def __init__(self, permutation: Permutation) -> None:
        self._permutation = permutation
        self._state, self._prefix, self._unused = START, b"", permutation.all
        self.ended = False

    def copy(self) -> Cursor:
        """The same place, to go on from apart."""
        twin = Cursor(self._permutation)
        twin._state, twin._prefix, twin._unused = self._state, self._prefix, self._unused
        twin.ended = self.ended
        return twin

    @property
    def complete(self) -> bool:
        """Whether only a stop token may come."""
        return self._state == END

    def allowed(self) -> Tokens:
        """The tokens that may come next, each once, in no order; never none, unless the answer has ended."""
        permutation = self._permutation
        if self._state == ID:
            return permutation.tokens(ROOT, self._prefix, self._unused)
        if self._state == END:
            return _NOTHING if self.ended else permutation.stops
        reach = permutation.grammar.reach(self._state)
        if not reach.entries:
            return reach.tokens
        return np.concatenate(
            [reach.tokens, *(permutation.tokens(entry, b"", self._unused) for entry in reach.entries)]
        )

    def advance(self, token: int) -> None:
        """Write a token. Raises ValueError for one that may not come; the cursor is then of no use."""
        permutation = self._permutation
        if self._state == END:
            if self.ended or token not in permutation.stops:
                raise ValueError(f"token {token} follows a complete answer")
            self.ended = True
            return
        texts = permutation.grammar.trie.texts
        text = texts[token] if 0 <= token < len(texts) else None
        if not text:
            raise ValueError(f"token {token} has no text and the answer is not complete")
        edges = permutation.grammar.skeleton.edges
        while text:
            if self._state == ID:
                text = self._within_id(text)
                continue
            after = edges[self._state].get(text[0])
            if after is None:
                raise ValueError(f"token {token} may not come here: {text!r} does not go on")
            self._state, text = after, text[1:]

    def _within_id(self, text: bytes) -> bytes:
        """Write `text` in an id; what is left of it once the id is complete."""
        bodies = self._permutation.bodies
        written = self._prefix + text
        # A closing quote ends every body, so none begins another: the one that `written` begins with is its neighbour.
        at = bisect_right(bodies, written) - 1
        if at >= 0 and written.startswith(bodies[at]):
            bit = 1 << at
            if not self._unused & bit:
                raise ValueError(f"an id may not come twice: {bodies[at]!r}")
            self._unused ^= bit
            self._prefix, self._state = b"", MORE if self._unused else LAST
            return written[len(bodies[at]) :]
        low, high = self._permutation.range_of(written)
        if not self._unused & ((1 << high) - (1 << low)):
            raise ValueError(f"no unused id begins with {written!r}")
        self._prefix = written
        return b""


_NOTHING = as_tokens()


@lru_cache(maxsize=8)
def _without(trie: TokenTrie, stops: tuple[int, ...]) -> TokenTrie:
    """A vocabulary less its stop tokens: an engine ends the answer at one, also where its text would fit."""
    return TokenTrie([None if token in stops else text for token, text in enumerate(trie.texts)])


@lru_cache(maxsize=64)
def _grammar(trie: TokenTrie, layout: Layout) -> Grammar:
    return Grammar(trie, layout)
