"""The four spacing policies, against what JSON with their whitespace is by other means."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listeval.contract.separators import Separators
from listeval.decoding.permutation.automaton import Cursor, Permutation
from listeval.decoding.permutation.number_form import NumberForm
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.permutation.skeleton import Field, Layout
from listeval.decoding.scaffold.scaffold_spec import Scaffold
from listeval.decoding.spacing import MOST_WHITESPACE, Spacing
from listeval.decoding.tokens.token_trie import TokenTrie, trie_of
from listeval.errors import UserError
from tests.decoding.conftest import LAYOUT, contract, decode, review_ids
from tests.decoding.permutation.test_number_form import language

BYTES = TokenTrie([None, *(bytes([byte]) for byte in range(256))])
IDS = ("a", "a b", ',": ')
LAYOUTS = (
    Layout((Field("k", None),)),
    Layout((Field("k", None), Field("v", NumberForm(0, 2, 1)))),
    Layout((Field("n: ,", NumberForm(-1, 1, 0)), Field("k", None), Field("v", NumberForm(8, 10, 0)))),
)


def accepts(text: str, spec: PermutationSpec) -> bool:
    """Whether the automaton takes a whole text, byte by byte."""
    cursor = Permutation(spec, BYTES, [0]).cursor()
    try:
        for byte in text.encode():
            cursor.advance(byte + 1)
    except ValueError:
        return False
    return cursor.complete


def is_answer(text: str, spec: PermutationSpec) -> bool:
    """The same by a regular expression and a JSON reader."""
    gap = rf"[ \t\n\r]{{0,{MOST_WHITESPACE}}}" if spec.layout.spacing is Spacing.FREE else ""
    after = {Spacing.EITHER: " ?", Spacing.GOLD: " ", Spacing.COMPACT: "", Spacing.FREE: gap}[spec.layout.spacing]
    comma, colon = f"{gap},{after}", f"{gap}:{after}"

    def object_of(name: str) -> str:
        values = (r"-?[0-9.]+" if form else re.escape(json.dumps(name)) for _, form in spec.layout.fields)
        keys = (re.escape(json.dumps(field)) for field, _ in spec.layout.fields)
        cells = (key + colon + value for key, value in zip(keys, values, strict=True))
        return rf"\{{{gap}{comma.join(cells)}{gap}\}}"

    orders = (comma.join(map(object_of, order)) for order in permutations(spec.ids))
    if not re.fullmatch(rf"{gap}\[{gap}(?:{'|'.join(orders)}){gap}\]", text):
        return False
    rows = json.loads(text, parse_int=str, parse_float=str)
    return all(row[field] in language(form) for row in rows for field, form in spec.layout.fields if form)


FULL = " " * MOST_WHITESPACE
texts = st.sampled_from(["", "", "", " ", " ", "  ", "\n", "\t\r\n ", FULL, FULL + " "])


@st.composite
def lists(draw: Any, layout: Layout) -> str:
    """Lists nearly of a layout: any order, an id twice, numbers about their bounds, spaces anywhere or in one way."""
    names = draw(st.permutations(IDS)) if draw(st.integers(0, 9)) else [IDS[0], IDS[1], IDS[1]]
    regular = draw(st.sampled_from([None, Separators(",", ":"), Separators(), Separators(", ", ":")]))
    numbers = st.sampled_from(["0", "1", "2", "1.5", "-1", "8", "10", "9.0"])
    usual = {0: "0", -1: "-1", 8: "10"}

    def space(mark: str = "") -> str:
        if regular is None:
            return str(draw(texts))
        return {",": regular.item[1:], ":": regular.key[1:]}.get(mark, "")

    out = [space(), "[", space()]
    for place, name in enumerate(names):
        out += [space("before"), ",", space(",")] if place else []
        out += ["{", space()]
        for at, (field, form) in enumerate(layout.fields):
            value = json.dumps(name) if form is None else draw(numbers) if regular is None else usual[int(form.low)]
            out += [space(), ",", space(",")] if at else []
            out += [json.dumps(field), space(), ":", space(":"), value]
        out += [space(), "}"]
    return "".join([*out, space(), "]"])


@pytest.mark.parametrize("spacing", list(Spacing))
@pytest.mark.parametrize("layout", LAYOUTS)
@given(data=st.data())
@settings(max_examples=60)
def test_the_automaton_takes_what_a_regular_expression_takes(layout: Layout, spacing: Spacing, data: Any) -> None:
    spec = PermutationSpec(IDS, replace(layout, spacing=spacing))
    text = data.draw(lists(layout))
    assert accepts(text, spec) == is_answer(text, spec)


@pytest.mark.parametrize("spacing", list(Spacing))
def test_one_space_more_or_less_anywhere(spacing: Spacing) -> None:
    """Every single insertion into, and deletion from, the two regular ways to write a list."""
    spec = PermutationSpec(("a", ": "), Layout((Field("k", None), Field("v", NumberForm(0, 1, 0))), spacing))
    for separators in (Separators(",", ":"), Separators()):
        text = json.dumps([{"k": ": ", "v": 1}, {"k": "a", "v": 0}], separators=separators)
        changed = {text[:at] + more + text[at:] for at in range(len(text) + 1) for more in (" ", "\n", "  ")}
        changed |= {text[:at] + text[at + 1 :] for at in range(len(text))} | {text}
        answers = {one for one in changed if is_answer(one, spec)}
        assert answers == {one for one in changed if accepts(one, spec)}
        fitting = {Spacing.COMPACT: separators.item == ",", Spacing.GOLD: separators.item == ", "}
        assert (text in answers) == fitting.get(spacing, True)


def walked(cursor: Cursor, shadow: Cursor, trie: TokenTrie) -> set[int]:
    """The tokens whose bytes an automaton over single bytes can write one after the other from where it stands."""
    found = set()
    firsts = {token - 1 for token in shadow.allowed().tolist()}
    for token, text in enumerate(trie.texts):
        if text and text[0] in firsts:
            twin = shadow.copy()
            try:
                for byte in text:
                    twin.advance(byte + 1)
            except ValueError:
                continue
            found.add(token)
    return found


@pytest.mark.parametrize("spacing", list(Spacing))
def test_masks_of_real_vocabularies_are_those_of_single_bytes(tokenizer: Any, spacing: Spacing) -> None:
    """Whatever tokens span: `, "` or ` {` or `": "` in one are allowed exactly where their bytes are."""
    rng = random.Random(11)
    trie, stop = trie_of(tokenizer), tokenizer.eos_token_id
    small = len(trie.texts) < 10_000
    for ids in (("A1", "A12", 'q"', "é 🙂"), review_ids(rng, 3)) if small else (("A1", "A12", 'q"'),):
        spec = PermutationSpec(ids, replace(LAYOUT, spacing=spacing))
        cursor, shadow = Permutation(spec, trie, [stop]).cursor(), Permutation(spec, BYTES, [0]).cursor()
        while not cursor.complete:
            found = cursor.allowed().tolist()
            if small or rng.random() < 0.2:
                assert len(found) == len(set(found))
                assert set(found) == walked(cursor, shadow, trie)
            token = int(rng.choice(found))
            cursor.advance(token)
            for byte in trie.texts[token] or b"":
                shadow.advance(byte + 1)
        assert shadow.complete


def test_layouts_of_one_vocabulary_do_not_share_masks(byte_level: Any) -> None:
    """Four policies in turn, and gold of other separators, each as if it were alone."""
    layouts = [replace(LAYOUT, spacing=spacing) for spacing in Spacing]
    layouts += [Layout(LAYOUT.fields, Spacing.GOLD, Separators(",", ": ")), Layout(LAYOUT.fields, "gold")]  # type: ignore[arg-type]
    trie, stop = trie_of(byte_level), byte_level.eos_token_id
    for _ in range(2):
        for layout in layouts:
            spec = PermutationSpec(("x", "y"), layout)
            text = spec.write({"y": {"score": "1"}, "x": {"score": "10"}})
            assert is_answer(text, spec) == (layout.gold == (", ", ": "))
            cursor = Permutation(spec, trie, [stop]).cursor()
            alone = Permutation(spec, TokenTrie(trie.texts), [stop]).cursor()
            for token in byte_level.encode(text, add_special_tokens=False):
                assert sorted(cursor.allowed().tolist()) == sorted(alone.allowed().tolist())
                cursor.advance(token)
                alone.advance(token)
            assert cursor.complete
    assert layouts[-1].spacing is Spacing.GOLD


@pytest.mark.parametrize(
    "separators",
    [
        Separators(",", ":"),
        Separators(),
        Separators(",", ": "),
        Separators(",\n", ":"),
        Separators("," + FULL + " ", ":"),
    ],
)
def test_gold_is_spaced_as_the_contract_says(separators: Separators) -> None:
    asked = contract(("a", "b"))
    asked.separators = separators
    values = {"b": {"score": "7"}, "a": {"score": "0.5"}}
    wanted = json.dumps([{"review_id": "b", "score": 7}, {"review_id": "a", "score": 0.5}], separators=separators)
    for spacing in Spacing:
        spec = PermutationSpec.of(asked, spacing)
        assert PermutationSpec.from_spec(json.loads(json.dumps(spec.spec()))) == spec
        assert accepts(spec.write(values), spec)
        assert (spec.write(values) == wanted) == accepts(wanted, spec)
        scaffold = Scaffold.of(spec)
        assert spec.write({name: {"score": "7"} for name in spec.ids}) == "7".join(scaffold.texts)
        assert len(spec.write(values)) < spec.longest_answer()
        fits = {
            Spacing.GOLD: True,
            Spacing.FREE: FULL + " " not in wanted,
            Spacing.EITHER: "\n" not in wanted and "  " not in wanted,
            Spacing.COMPACT: separators == (",", ":"),
        }
        assert accepts(wanted, spec) == fits[spacing]


def test_gold_without_one_way_to_space_is_refused_and_others_are_not() -> None:
    asked = contract(("a",))
    asked.separators = Separators.of(json.dumps([{"review_id": "a", "score": 1}], indent=2))
    assert PermutationSpec.of(asked).write({"a": {"score": "1"}}) == '[{"review_id": "a", "score": 1}]'
    with pytest.raises(UserError, match="not spaced in one way"):
        PermutationSpec.of(asked, Spacing.GOLD)


def test_numbers_are_those_that_the_contract_promises() -> None:
    from listeval.contract import KeyedList
    from tests.decoding.conftest import Scored

    spec = PermutationSpec.of(KeyedList(Scored, key="review_id", ids=("a",), scale=(0, 3), decimals=0))
    assert spec.layout.fields[1].form == NumberForm(0, 3, 0)
    assert PermutationSpec.of(contract(("a",))).layout.fields[1].form == NumberForm(0, 10, 1)


@pytest.mark.parametrize("spacing", list(Spacing))
def test_whitespace_that_may_be_left_out_need_not_be_in_the_vocabulary(spacing: Spacing) -> None:
    """Tokens may hold it all the same, and none of them leads to a dead end."""
    letters = [bytes([byte]) for byte in range(0x21, 0x7F)]
    trie = TokenTrie([None, *letters, b", ", b', {"k": "', b"\n{", b' "'])
    spec = PermutationSpec(("a", "b"), replace(LAYOUTS[1], spacing=spacing))
    if spacing is Spacing.GOLD:
        with pytest.raises(UserError, match="it has no token for ' '"):
            Permutation(spec, trie, [0])
        return
    permutation = Permutation(spec, trie, [0])
    for seed in range(60):
        assert decode(permutation.cursor(), random.Random(seed))
    with pytest.raises(UserError, match="no token for ' '"):
        Permutation(replace(spec, ids=("a", "b c")), trie, [0])


class TestMaskedMass:
    """A model that spaces in its own way loses nothing to `either`, and all of it to a policy of another way."""

    def mass(self, byte_level: Any, spacing: Spacing, separators: Separators) -> float:
        torch = pytest.importorskip("torch")
        from listeval.decoding.hf_processor import PermutationProcessor

        spec = PermutationSpec(("A1", "A12"), replace(LAYOUT, spacing=spacing))
        processor = PermutationProcessor([Permutation(spec, trie_of(byte_level), [byte_level.eos_token_id])])
        text = json.dumps([{"review_id": i, "score": 7} for i in ("A12", "A1")], separators=separators)
        tokens = [*byte_level.encode(text, add_special_tokens=False), byte_level.eos_token_id]
        for at, token in enumerate(tokens):
            # Nearly sure of its own next token, whatever it is held to.
            scores = torch.full((1, len(byte_level)), -20.0)
            scores[0, token] = 20.0
            processor(torch.tensor([[5, *tokens[:at]]]), scores)
            if scores[0, token] == -torch.inf:
                return processor.masses[0].most
        return processor.masses[0].most

    @pytest.mark.parametrize("separators", [Separators(",", ":"), Separators(), Separators(",", ": ")])
    def test_spaces_are_no_masked_mass(self, byte_level: Any, separators: Separators) -> None:
        for spacing in (Spacing.EITHER, Spacing.FREE):
            assert self.mass(byte_level, spacing, separators) < 1e-6
        for spacing, fits in ((Spacing.COMPACT, (",", ":")), (Spacing.GOLD, (", ", ": "))):
            assert (self.mass(byte_level, spacing, separators) < 1e-6) == (separators == fits)

    def test_a_space_too_many_is(self, byte_level: Any) -> None:
        assert self.mass(byte_level, Spacing.EITHER, Separators(",  ", ":")) > 0.99
