"""A vocabulary as a trie over bytes, flat and small: what a mask is walked through.

Built once for a tokenizer, level by level in numpy (about 1 MB per 100,000 nodes). Nodes are
numbered breadth first, so the children of a node are neighbours and the edge into node n is
edge n - 1; a step is one search among a node's few edge labels.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from listeval.decoding.tokens.token_bytes import token_bytes

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Tokens = NDArray[np.int64]
"""Token ids, read only."""

NONE, SEVERAL = -1, -2
ROOT = 0


class TokenTrie:
    """All tokens with a text. Immutable.

    texts: by token id its bytes, None for what may never be written
    labels, first: edges first[n] to first[n + 1] leave node n; edge e carries byte labels[e] into node e + 1
    token: by node the token that ends there, NONE, or SEVERAL; then `same[node]` are all of them
    """

    def __init__(self, texts: Sequence[bytes | None]) -> None:
        self.texts = texts
        by_text: dict[bytes, int] = {}
        repeated: dict[bytes, list[int]] = {}
        for token, text in enumerate(texts):
            if text and by_text.setdefault(text, token) != token:
                repeated.setdefault(text, [by_text[text]]).append(token)
        ordered = sorted(by_text)
        labels, first, ends = _levels(ordered)
        tokens = np.full(len(labels) + 1, NONE)
        tokens[ends] = [SEVERAL if text in repeated else by_text[text] for text in ordered]
        # Plain arrays: reading one number out of a numpy array costs four times as much.
        self.labels, self.first, self.token = labels.tobytes(), array("i", first.tolist()), array("i", tokens.tolist())
        self.same = {ends[bisect_left(ordered, text)].item(): several for text, several in repeated.items()}
        self.letters = bytes(text[0] for text in ordered if len(text) == 1)
        """The bytes that are tokens by themselves."""

    def tokens_at(self, node: int) -> Sequence[int]:
        """The tokens that end at a node; more than one where texts coincide."""
        token = self.token[node]
        return (token,) if token >= 0 else self.same.get(node, ())

    def tokens_of(self, text: bytes) -> Sequence[int]:
        """The tokens that stand for exactly `text`."""
        node = self._node(text)
        return self.tokens_at(node) if node is not None else ()

    def has_prefix(self, text: bytes) -> bool:
        """Whether some token begins with `text`."""
        return self._node(text) is not None

    def _node(self, text: bytes) -> int | None:
        node = ROOT
        for byte in text:
            node = self.labels.find(byte, self.first[node], self.first[node + 1]) + 1
            if not node:
                return None
        return node

    @cached_property
    def cuts_characters(self) -> bool:
        """Whether some token begins or ends inside a character."""
        try:
            for text in self.texts:
                if text:
                    text.decode()
        except UnicodeDecodeError:
            return True
        return False

    @property
    def size(self) -> int:
        """Nodes, the root included."""
        return len(self.token)


def _levels(ordered: list[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Labels (nodes - 1), first edges (nodes + 1) and each text's node, of distinct texts in order."""
    flat = np.frombuffer(b"".join(ordered), dtype=np.uint8)
    lengths = np.fromiter(map(len, ordered), dtype=np.int64, count=len(ordered))
    starts = np.cumsum(lengths) - lengths
    shared = _shared(flat, starts, lengths)
    labels, children = [], []
    ends = np.zeros(len(ordered), dtype=np.int64)
    above, nodes = np.zeros(1, dtype=np.int64), 1
    for depth in range(1, int(lengths.max(initial=0)) + 1):
        # The first text of each run that agrees on `depth` bytes stands for the node.
        here = np.flatnonzero((shared < depth) & (lengths >= depth))
        parent = np.searchsorted(above, here, side="right") - 1
        labels.append(flat[starts[here] + depth - 1])
        children.append(np.bincount(parent, minlength=len(above)))
        complete = lengths[here] == depth
        ends[here[complete]] = nodes + np.flatnonzero(complete)
        above, nodes = here, nodes + len(here)
    children.append(np.zeros(len(above), dtype=np.int64))
    first = np.concatenate([[0], np.cumsum(np.concatenate(children))])
    return np.concatenate([np.zeros(0, dtype=np.uint8), *labels]), first, ends


def _shared(flat: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many leading bytes each text has in common with the one before it."""
    shared = np.zeros(len(lengths), dtype=np.int64)
    alive = np.arange(1, len(lengths))
    depth = 0
    while len(alive):
        alive = alive[(lengths[alive] > depth) & (lengths[alive - 1] > depth)]
        alive = alive[flat[starts[alive] + depth] == flat[starts[alive - 1] + depth]]
        depth += 1
        shared[alive] = depth
    return shared


_TRIES: WeakKeyDictionary[object, dict[int | None, TokenTrie]] = WeakKeyDictionary()


def trie_of(tokenizer: PreTrainedTokenizerBase, size: int | None = None) -> TokenTrie:
    """The trie of a tokenizer, built at the first call; see `token_bytes` for `size` and errors."""
    tries = _TRIES.setdefault(tokenizer, {})
    if size not in tries:
        tries[size] = TokenTrie(token_bytes(tokenizer, size))
    return tries[size]


def as_tokens(*parts: Sequence[int]) -> Tokens:
    """Token ids as a read-only array."""
    found = np.fromiter(chain(*parts), dtype=np.int64)
    found.flags.writeable = False
    return found
