"""The exact permutation: sound, complete, and the same as brute force wherever brute force can go."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listeval.contract import Parsed
from listeval.decoding.permutation.automaton import Cursor, Permutation
from listeval.decoding.permutation.number_form import NumberForm
from listeval.decoding.permutation.permutation_spec import MOST_IDS, PermutationSpec
from listeval.decoding.permutation.skeleton import Field, Layout
from listeval.decoding.spacing import Spacing
from listeval.decoding.tokens.token_trie import TokenTrie, trie_of
from listeval.errors import UserError
from tests.decoding.conftest import LAYOUT, TINY, contract, decode, review_ids

WEIRD = (
    "a",
    "ab",
    "abc",
    'say "hi"',
    "back\\slash",
    "é",
    "🙂",
    "🙂🙂",
    "漢字",
    " ",
    "",
    "new\nline",
    "\x00",
    "a b",
    '"',
    "\\",
)
STOP = 0


def vocabulary(*words: str | bytes, singles: bool = True) -> TokenTrie:
    """A stop token, every byte, and the given words as tokens."""
    letters = [bytes([byte]) for byte in range(256)] if singles else []
    return TokenTrie([None, *letters, *(word.encode() if isinstance(word, str) else word for word in words)])


def bound(ids: Sequence[str], trie: TokenTrie, layout: Layout = LAYOUT) -> Permutation:
    return Permutation(PermutationSpec(tuple(ids), layout), trie, [STOP])


def all_answers(spec: PermutationSpec, *numbers: str) -> set[bytes]:
    """Every answer of a layout with at most one number, put together piece by piece."""
    spaced = spec.layout.spacing is Spacing.GOLD, spec.layout.spacing is Spacing.EITHER
    ways = {(True, False): [" "], (False, True): ["", " "], (False, False): [""]}[spaced]
    found = set()
    for order in permutations(spec.ids):
        for values in product(numbers or ("",), repeat=len(order)):
            pieces = ["["]
            for place, (name, value) in enumerate(zip(order, values, strict=True)):
                pieces += ["},", "{"] if place else ["{"]
                for at, (field, form) in enumerate(spec.layout.fields):
                    pieces += [","] if at else []
                    pieces += [json.dumps(field) + ":", value if form else json.dumps(name)]
            open_places = [at for at, piece in enumerate(pieces) if piece[-1] in ",:"]
            for spaces in product(ways, repeat=len(open_places)):
                after = dict(zip(open_places, spaces, strict=True))
                found.add("".join(piece + after.get(at, "") for at, piece in enumerate([*pieces, "}]"])).encode())
    return found


def everywhere(permutation: Permutation) -> Iterator[tuple[bytes, Cursor]]:
    """Every place that tokens lead to, once for each text."""
    seen, ahead = {b""}, [(b"", permutation.cursor())]
    while ahead:
        text, cursor = ahead.pop()
        yield text, cursor
        for token in cursor.allowed().tolist() if not cursor.complete else ():
            longer = text + (permutation.grammar.trie.texts[token] or b"")
            if longer not in seen:
                seen.add(longer)
                twin = cursor.copy()
                twin.advance(token)
                ahead.append((longer, twin))


COMPACT_WORDS = [
    ['"},{"', '":', '"}', "},{", "],", "}]", ']"', '[{"k":"', '","v":', "1}", '2},{"k', '1},{"k":"', "12"],
    ['"k":"a","v":1},{"k":"b","v":2},{"k":"', 'a","v":0},{"k":"', 'a","v":0},{"k":"b', 'b","v":2}]', 'a"', 'ab",'],
    ['[{"k":"a', '[{"k":"ab","v":1},{"k":"a","v":1}]', '[{"k":"a","v":1},{"k":"a"', "ba", '1},{"k":"c","v":'],
]
SPACED_WORDS = [
    [", ", ": ", ' {"', ' "', '": "', '", "', '",', '"}, {"', "}, {", " }", "  ", "[ ", ", {", ',{"', ' 1}, {"k": "'],
    ['a", "v": 0}, {"k": "b', 'a","v": 0}, {"k":"b', 'b", "v":2}]', 'a"', ' "v": 1},', ' "a', ': "b', ", ,", ':  "'],
    ['[{"k": "a', '[{"k": "ab", "v": 1}, {"k": "a", "v": 1}]', '": "a", "', '"}, {"k": "a"}', "1 }", ", \n", " 2"],
]
WORDS = [compact + spaced for compact, spaced in zip(COMPACT_WORDS, SPACED_WORDS, strict=True)]


def check_masks(permutation: Permutation, answers: set[bytes]) -> None:
    """Everywhere the mask is what brute force allows, and brute force's prefixes are all reached."""
    prefixes = {answer[:n] for answer in answers for n in range(len(answer) + 1)}
    texts, reached = permutation.grammar.trie.texts, set()
    for text, cursor in everywhere(permutation):
        expected = {token for token, more in enumerate(texts) if more and text + more in prefixes}
        found = cursor.allowed().tolist()
        assert len(found) == len(set(found))
        assert set(found) == (expected or {STOP}), text
        assert cursor.complete == (text in answers)
        reached.add(text)
    assert reached == prefixes


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("spacing", [Spacing.COMPACT, Spacing.GOLD])
@pytest.mark.parametrize("ids", [("a", "b"), ("a", "ab", "b"), ("ab", "a", "aba"), ("c",)])
def test_masks_are_those_of_brute_force(ids: tuple[str, ...], spacing: Spacing, words: list[str]) -> None:
    layout = replace(TINY, spacing=spacing)
    permutation = bound(ids, vocabulary(*words), layout)
    check_masks(permutation, all_answers(PermutationSpec(ids, layout), "0", "1", "2"))


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("ids", [("a", "b"), ("ab", "a"), ("c",)])
def test_every_spelling_of_either_is_there_and_nothing_else(ids: tuple[str, ...], words: list[str]) -> None:
    permutation = bound(ids, vocabulary(*words), TINY)
    check_masks(permutation, all_answers(PermutationSpec(ids, TINY), "0", "1", "2"))


KEYS_ALONE = Layout((Field("k", None),), Spacing.COMPACT)
LATE = Layout((Field("rank", NumberForm(1, 3, 0)), Field("k", None)), Spacing.GOLD)
MANY = Layout((Field("n", NumberForm(0, 1, 0)), Field("k", None), Field("v", NumberForm(0, 1, 0))), Spacing.COMPACT)


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (KEYS_ALONE, ['"},{"k":"', '"},{"k":"a', 'a"},{"k":"', 'a"},{"k":"b"},{"k":"', 'b"},{"k":"a"}]', '"}', '"}]']),
        (
            replace(KEYS_ALONE, spacing=Spacing.EITHER),
            ['"},{"k":"', '"}, {"k": "a', 'a"},{"k": "', 'a"}, {"k":"b"},{"k": "', ' "b"}, {"k": "a"}]', '"}', ' {"'],
        ),
        (LATE, ['"}, {"rank": ', '": "', '1, "', ", ", ": ", '[{"rank": 2', '"}, {"rank": 3, "k": "a', ' {"']),
    ],
)
def test_other_layouts_too(layout: Layout, words: list[str]) -> None:
    spec = PermutationSpec(("a", "b", "ab"), layout)
    numbers = ["1", "2", "3"] if layout is LATE else []
    check_masks(Permutation(spec, vocabulary(*words), [STOP]), all_answers(spec, *numbers))


def test_numbers_may_stand_on_both_sides_of_the_id() -> None:
    spec = PermutationSpec(("x", "y"), MANY)
    found = {text for text, cursor in everywhere(Permutation(spec, vocabulary("0,", '"k'), [STOP])) if cursor.complete}
    assert len(found) == 2 * 2**4
    assert b'[{"n":0,"k":"y","v":1},{"n":1,"k":"x","v":0}]' in found


def test_all_720_orders_of_six_are_reachable_by_every_cut(merged: Any) -> None:
    rng = random.Random(1)
    spec = PermutationSpec(("A1", "A12", "B", "B\\", "🙂", "é é"), LAYOUT)
    permutation = Permutation(spec, trie_of(merged), [merged.eos_token_id])
    texts = permutation.grammar.trie.texts
    for order in permutations(spec.ids):
        left = spec.write({i: {"score": "7"} for i in order}).encode()
        cursor = permutation.cursor()
        while left:
            fitting = [t for t in cursor.allowed().tolist() if left.startswith(texts[t] or b"?")]
            token = rng.choice(fitting)
            cursor.advance(token)
            left = left[len(texts[token] or b"") :]
        assert cursor.complete


def check_decodes(tokenizer: Any, count: int, seed: int) -> None:
    """`count` random decodes are all answers that the contract takes, and all ids come first some time."""
    rng = random.Random(seed)
    trie, stop = trie_of(tokenizer), tokenizer.eos_token_id
    for at in range(count):
        size = rng.choice((1, 2, 3, 5, 8))
        ids = review_ids(rng, size) if at % 2 else tuple(rng.sample(WEIRD, size))
        spec = PermutationSpec.of(contract(ids), rng.choice(list(Spacing)))
        cursor = Permutation(spec, trie, [stop]).cursor()
        tokens = decode(cursor, rng)
        assert len(tokens) + 1 <= spec.longest_answer()
        cursor.advance(stop)
        assert cursor.ended and len(cursor.allowed()) == 0
        text = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        verdict = contract(ids).parse(text)
        assert isinstance(verdict, Parsed), (text, verdict)
        assert not verdict.flags
        assert all(0 <= item.score <= 10 for item in verdict.value)


def test_random_decodes_keep_the_contract(tokenizer: Any) -> None:
    check_decodes(tokenizer, 60, seed=2)


@pytest.mark.slow
def test_ten_thousand_random_decodes_keep_the_contract(tokenizer: Any) -> None:
    check_decodes(tokenizer, 2_500, seed=3)


ids_of_any_text = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6), min_size=1, max_size=6, unique=True
)


@given(ids_of_any_text, st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_ids_of_any_text(merged: Any, ids: list[str], rng: random.Random) -> None:
    spec = PermutationSpec(tuple(ids), LAYOUT)
    tokens = decode(Permutation(spec, trie_of(merged), [merged.eos_token_id]).cursor(), rng)
    text = merged.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    spelled = json.loads(text, parse_int=str, parse_float=str)
    compact = replace(spec, layout=replace(LAYOUT, spacing=Spacing.COMPACT))
    bare = re.sub(r'("(?:[^"\\]|\\.)*")|(?<=[,:]) ', lambda found: found[1] or "", text)
    assert compact.write({item.pop("review_id"): item for item in spelled}) == bare
    assert isinstance(contract(ids).parse(text), Parsed)


def test_what_the_tokenizer_itself_would_write_is_allowed(byte_level: Any, merged: Any, sentencepiece: Any) -> None:
    rng = random.Random(4)
    for tokenizer in (byte_level, merged, sentencepiece):
        ids = ("A1", "A12", 'q"', "é", "🙂", "two words")
        spec = PermutationSpec(ids, LAYOUT)
        permutation = Permutation(spec, trie_of(tokenizer), [tokenizer.eos_token_id])
        for _ in range(20):
            values = {i: {"score": rng.choice(("0", "10", "3.5", "10.0"))} for i in rng.sample(ids, len(ids))}
            cursor = permutation.cursor()
            for token in tokenizer.encode(spec.write(values), add_special_tokens=False):
                assert token in cursor.allowed()
                cursor.advance(token)
            assert cursor.complete


def test_greedy_is_the_best_allowed_continuation(merged: Any) -> None:
    import numpy as np

    rng = np.random.default_rng(5)
    trie, spec = trie_of(merged), PermutationSpec(("a", "ab"), TINY)
    answers = all_answers(spec, "0", "1", "2")
    prefixes = {answer[:n] for answer in answers for n in range(len(answer) + 1)}
    for _ in range(30):
        cursor, text = Permutation(spec, trie, [merged.eos_token_id]).cursor(), b""
        while not cursor.complete:
            logits = rng.normal(size=len(trie.texts))
            allowed = cursor.allowed()
            ours = int(allowed[logits[allowed].argmax()])
            best = max((t for t, more in enumerate(trie.texts) if more and text + more in prefixes), key=logits.item)
            assert ours == best
            cursor.advance(ours)
            text += trie.texts[ours] or b""
        assert text in answers


class TestCursor:
    def test_what_may_not_come_is_refused(self) -> None:
        permutation = bound(("a", "b"), vocabulary("xyz"), TINY)

        def write(text: str) -> Cursor:
            cursor = permutation.cursor()
            for byte in text.encode():
                cursor.advance(byte + 1)
            return cursor

        for text in ("{", '[{"k":"c', '[{"k":"a","v":3', '[{"k":"a","v":1},{"k":"a"', '[{"k":"a","v":1}]'):
            with pytest.raises(ValueError, match=r"token|id"):
                write(text)
        with pytest.raises(ValueError, match="not complete"):
            write('[{"k').advance(STOP)
        with pytest.raises(ValueError, match="no text"):
            write("").advance(10_000)
        done = write('[{"k":"b","v":1},{"k":"a","v":0}]')
        with pytest.raises(ValueError, match="complete answer"):
            done.copy().advance(1)
        done.advance(STOP)
        with pytest.raises(ValueError, match="complete answer"):
            done.advance(STOP)

    def test_cursors_of_one_request_do_not_disturb_each_other(self, merged: Any) -> None:
        rng = random.Random(6)
        spec = PermutationSpec(review_ids(rng, 12), LAYOUT)
        shared = Permutation(spec, trie_of(merged), [merged.eos_token_id])
        cursors = [shared.cursor() for _ in range(8)]
        twins = [Permutation(spec, trie_of(merged), [merged.eos_token_id]).cursor() for _ in cursors]
        while any(not cursor.complete for cursor in cursors):
            at = rng.randrange(len(cursors))
            if not cursors[at].complete:
                found = sorted(cursors[at].allowed().tolist())
                assert found == sorted(twins[at].allowed().tolist())
                token = rng.choice(found)
                cursors[at].advance(token)
                twins[at].advance(token)

    def test_masks_are_not_to_be_written_to(self) -> None:
        cursor = bound(("a", "b"), vocabulary(), TINY).cursor()
        for byte in b'[{"k":"':
            with pytest.raises(ValueError, match="read-only"):
                cursor.allowed()[0] = 1
            cursor.advance(byte + 1)

    def test_several_stop_tokens_end_an_answer(self) -> None:
        permutation = Permutation(PermutationSpec(("a",), KEYS_ALONE), vocabulary(), [0, 300, 0])
        cursor = permutation.cursor()
        for byte in b'[{"k":"a"}]':
            cursor.advance(byte + 1)
        assert cursor.allowed().tolist() == [0, 300]
        cursor.advance(300)
        assert cursor.ended


def test_a_stop_token_with_a_text_never_comes_before_the_end() -> None:
    words = vocabulary('"},{"', "a")
    letter, comma = words.texts.index(b"}"), len(words.texts) - 2
    permutation = Permutation(PermutationSpec(("a", "b"), KEYS_ALONE), words, [comma])
    stopped = {token for _, cursor in everywhere(permutation) if not cursor.complete for token in cursor.allowed()}
    assert comma not in stopped and letter in stopped
    assert {text for text, cursor in everywhere(permutation) if cursor.complete} == {
        b'[{"k":"a"},{"k":"b"}]', b'[{"k":"b"},{"k":"a"}]',
    }  # fmt: skip
    with pytest.raises(UserError, match="cannot spell"):
        Permutation(PermutationSpec(("a",), KEYS_ALONE), vocabulary(), [letter])


class TestRefusals:
    def test_an_id_that_the_tokenizer_cannot_spell(self) -> None:
        trie = TokenTrie([None, *(bytes([byte]) for byte in range(0x20, 0x7F)), "é".encode()])
        assert bound(("é", "e"), trie).cursor().allowed().tolist() == [0x5B - 0x20 + 1]
        with pytest.raises(UserError, match="cannot spell the id 'caffè': it has no token for 'è'"):
            bound(("é", "caffè"), trie)
        with pytest.raises(UserError, match="cannot spell the field 'schön'"):
            bound(("a",), trie, Layout((Field("schön", None),)))

    def test_a_character_that_tokens_cut_through(self) -> None:
        trie = TokenTrie([None, *(bytes([byte]) for byte in range(0x20, 0x7F)), "é".encode(), b"\xc3"])
        with pytest.raises(UserError, match="cannot spell the id 'é'"):
            bound(("é",), trie)

    def test_punctuation_that_the_tokenizer_lacks(self) -> None:
        with pytest.raises(UserError, match=r"cannot spell every list: it has no token for"):
            bound(("a",), TokenTrie([None, b"a"]))

    def test_no_stop_token(self) -> None:
        with pytest.raises(UserError, match="no stop token"):
            Permutation(PermutationSpec(("a",), LAYOUT), vocabulary(), [])

    @pytest.mark.parametrize(
        ("ids", "why"),
        [((), "0 ids"), (("a", "b", "a"), "'a' stands twice"), (("a\ud800",), "half a surrogate pair")],
    )
    def test_ids_that_no_answer_could_hold(self, ids: tuple[str, ...], why: str) -> None:
        with pytest.raises(UserError, match=why):
            PermutationSpec(ids, LAYOUT)

    def test_more_ids_than_declared(self) -> None:
        names = tuple(map(str, range(MOST_IDS + 1)))
        with pytest.raises(UserError, match=r"4,097 ids: it takes 1 to 4,096"):
            PermutationSpec(names, LAYOUT)
        cursor = bound(names[:-1], vocabulary(), KEYS_ALONE).cursor()
        assert len(decode(cursor, random.Random(0))) > 4 * MOST_IDS

    def test_layouts_need_one_id(self) -> None:
        for fields in ((), (Field("a", None), Field("b", None)), (Field("a", NumberForm()),), (Field("a", None),) * 2):
            with pytest.raises(UserError, match="alone holds the id"):
                Layout(fields)
