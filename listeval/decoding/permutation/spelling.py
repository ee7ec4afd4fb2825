"""Whether a vocabulary can write what a constraint demands, told before anything is decoded.

Every byte that may come has to be a token by itself; a character of several bytes may instead be
one token, if no token of the vocabulary cuts through characters. Then every token sequence that
a mask allows can be completed, and no mask has to look ahead for dead ends. A vocabulary that has
a character only inside longer tokens is refused, though some cuts of a text might just fit it.
"""

from __future__ import annotations

from listeval.decoding.permutation.permutation_spec import PermutationSpec, spell
from listeval.decoding.tokens.token_trie import TokenTrie
from listeval.errors import UserError


def check_spelling(spec: PermutationSpec, trie: TokenTrie, around: bytes) -> None:
    """Raises UserError naming the first id that `trie` cannot spell; `around` are the bytes outside ids."""
    if not (around + b"".join(spec.bodies)).translate(None, trie.letters):
        return
    marks = bytes(byte for byte in around if byte < 0x80).decode()
    _check(marks, trie, "every list")
    for name, _ in spec.layout.fields:
        _check(spell(name).decode(), trie, f"the field {name!r}")
    for name in spec.ids:
        _check(spell(name).decode(), trie, f"the id {name!r}")


def _check(text: str, trie: TokenTrie, what: str) -> None:
    for letter in text:
        code = letter.encode()
        if code.translate(None, trie.letters) and (trie.cuts_characters or not trie.tokens_of(code)):
            cause = f"the tokenizer cannot spell {what}: it has no token for {letter!r}"
            raise UserError(cause, fix="rename it, or use a model with another tokenizer")
