"""The subset grammar speaks the automaton's language: same masks in a stock engine, token set for token set."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from listeval.decoding.permutation.automaton import Permutation
from listeval.decoding.permutation.number_form import NumberForm
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.permutation.skeleton import Field, Layout
from listeval.decoding.permutation.subset_grammar import subset_grammar
from listeval.decoding.spacing import Spacing
from listeval.decoding.tokens.token_trie import trie_of
from listeval.errors import UserError
from tests.decoding.conftest import LAYOUT, TINY, decode, review_ids

SIDES = Layout((Field("rank", NumberForm(-1, 12, 2)), Field("id", None), Field("w", NumberForm(0, 1, 0))))
NAMES = ("a", "ab", 'q"', "back\\slash", "é🙂", "new\nline")


def xgrammar_masks(tokenizer: Any, text: str) -> Any:
    xgrammar = pytest.importorskip("xgrammar")
    info = xgrammar.TokenizerInfo.from_huggingface(
        tokenizer, vocab_size=len(tokenizer), stop_token_ids=[tokenizer.eos_token_id]
    )
    matcher = xgrammar.GrammarMatcher(xgrammar.GrammarCompiler(info).compile_grammar(text))
    bits = xgrammar.allocate_token_bitmask(1, len(tokenizer))

    def masks() -> Any:
        matcher.fill_next_token_bitmask(bits)
        return bits

    return masks, matcher.accept_token


def llguidance_masks(tokenizer: Any, text: str) -> Any:
    llguidance = pytest.importorskip("llguidance")
    from llguidance.hf import from_tokenizer
    from llguidance.torch import allocate_token_bitmask, fill_next_token_bitmask

    core = from_tokenizer(tokenizer, n_vocab=len(tokenizer), eos_token=tokenizer.eos_token_id)
    matcher = llguidance.LLMatcher(core, llguidance.LLMatcher.grammar_from_lark(text), log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    bits = allocate_token_bitmask(1, len(tokenizer))

    def masks() -> Any:
        fill_next_token_bitmask(matcher, bits)
        assert not matcher.is_error(), matcher.get_error()
        return bits

    return masks, matcher.consume_token


def tokens_in(bits: Any) -> set[int]:
    import numpy as np

    return set(np.flatnonzero(np.unpackbits(bits.numpy().view("uint8"), bitorder="little")).tolist())


@pytest.mark.parametrize(("engine", "notation"), [(xgrammar_masks, "ebnf"), (llguidance_masks, "lark")])
@pytest.mark.parametrize("layout", [LAYOUT, TINY, SIDES])
@pytest.mark.parametrize("spacing", list(Spacing))
def test_an_engine_masks_as_we_do(
    byte_level: Any, engine: Any, notation: Any, layout: Layout, spacing: Spacing
) -> None:
    rng = random.Random(0)
    layout = replace(layout, spacing=spacing)
    stop = byte_level.eos_token_id
    for ids in (("a",), NAMES[:3], NAMES, review_ids(rng, 5)):
        spec = PermutationSpec(ids, layout)
        permutation = Permutation(spec, trie_of(byte_level), [stop])
        for _ in range(2 if notation == "ebnf" else 1):
            masks, accept = engine(byte_level, subset_grammar(spec, notation))
            cursor = permutation.cursor()
            while not cursor.complete:
                found = set(cursor.allowed().tolist())
                theirs = tokens_in(masks())
                # Where the text is forced, llguidance offers only the cut that its tokenizer would make.
                assert theirs == found if notation == "ebnf" else theirs and theirs <= found
                token = rng.choice(sorted(found))
                cursor.advance(token)
                assert accept(token)
            assert tokens_in(masks()) == {stop}


WAYS: list[tuple[Callable[[object], str], set[Spacing]]] = [
    (partial(json.dumps, separators=(",", ":")), {Spacing.COMPACT, Spacing.EITHER, Spacing.FREE}),
    (json.dumps, {Spacing.GOLD, Spacing.EITHER, Spacing.FREE}),
    (partial(json.dumps, separators=(",", ": ")), {Spacing.EITHER, Spacing.FREE}),
    (partial(json.dumps, separators=(",  ", ": ")), {Spacing.FREE}),
    (partial(json.dumps, indent=2), {Spacing.FREE}),
    (partial(json.dumps, indent=4, separators=(" , ", " : ")), {Spacing.FREE}),
    (partial(json.dumps, indent=8), set()),
]
"""How a list may be written, and the policies that let it be written so."""


@pytest.mark.parametrize("spacing", list(Spacing))
def test_every_order_of_three_and_nothing_else(byte_level: Any, spacing: Spacing) -> None:
    spec = PermutationSpec(("a", "ab", "b"), replace(TINY, spacing=spacing))
    text = subset_grammar(spec)
    xgrammar = pytest.importorskip("xgrammar")
    from itertools import permutations, product

    info = xgrammar.TokenizerInfo.from_huggingface(byte_level, stop_token_ids=[byte_level.eos_token_id])
    compiled = xgrammar.GrammarCompiler(info).compile_grammar(text)

    def accepts(answer: str) -> bool:
        matcher = xgrammar.GrammarMatcher(compiled)
        return bool(matcher.accept_string(answer) and matcher.accept_token(byte_level.eos_token_id))

    for names in product(spec.ids, repeat=3):
        for values in (("0", "1", "2"), ("2", "2", "2"), ("0", "3", "0")):
            rows = [{"k": name, "v": int(value)} for name, value in zip(names, values, strict=True)]
            for way, spacings in WAYS:
                fits = names in set(permutations(spec.ids)) and "3" not in values and spacing in spacings
                assert accepts(way(rows)) == fits
        assert not accepts(spec.write({name: {"v": "1"} for name in spec.ids[:2]}))
        assert accepts(spec.write({name: {"v": "1"} for name in spec.ids}))


def test_more_than_ten_ids_are_refused_with_the_way_out() -> None:
    spec = PermutationSpec(tuple(map(str, range(11))), LAYOUT)
    with pytest.raises(UserError, match=r"2\^11 rules.*--engine own"):
        subset_grammar(spec)


def test_ten_ids_make_1023_subsets() -> None:
    rules = subset_grammar(PermutationSpec(tuple(map(str, range(10))), LAYOUT)).splitlines()
    assert sum(rule.startswith("s") for rule in rules) == 1023


def test_random_decodes_fit_the_grammar_on_merged_punctuation(merged: Any) -> None:
    rng = random.Random(9)
    spec = PermutationSpec(review_ids(rng, 4), LAYOUT)
    for _ in range(5):
        _, accept = xgrammar_masks(merged, subset_grammar(spec))
        tokens = decode(Permutation(spec, trie_of(merged), [merged.eos_token_id]).cursor(), rng)
        assert all(accept(token) for token in tokens)
