"""Tokens get the class of what they decide, under a tokenizer that merges punctuation."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listopd.tokens import Labeller, TokenClass, TokenLabel
from tests.listopd.tiny import ANSWERS, tiny_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


@pytest.fixture(scope="module")
def labeller(tokenizer):
    return Labeller(tokenizer, "id")


def labelled(tokenizer, labeller, *pieces):
    """Labels of tokens that are named by their text."""
    vocabulary = tokenizer.get_vocab()
    return labeller([vocabulary[piece] for piece in pieces])


def test_merged_tokens_have_the_class_of_their_first_decision(tokenizer, labeller):
    found = labelled(tokenizer, labeller, '[{"', "id", '":"', "a", '","', "s", '":', "7", "},", '{"', "id", '":"', "b")
    assert found == [
        TokenLabel(TokenClass.OPEN_LIST, 0),
        TokenLabel(TokenClass.KEY, 1),
        TokenLabel(TokenClass.QUOTE, 1),
        TokenLabel(TokenClass.ID, 1),
        TokenLabel(TokenClass.QUOTE, 1),
        TokenLabel(TokenClass.KEY, 1),
        TokenLabel(TokenClass.QUOTE, 1),
        TokenLabel(TokenClass.VALUE, 1),
        TokenLabel(TokenClass.NEXT_ITEM, 1),
        TokenLabel(TokenClass.OPEN_ITEM, 2),
        TokenLabel(TokenClass.KEY, 2),
        TokenLabel(TokenClass.QUOTE, 2),
        TokenLabel(TokenClass.ID, 2),
    ]
    end = labelled(tokenizer, labeller, '[{"', "s", '":', "7", "}]", "<|end|>")[-2:]
    assert end == [TokenLabel(TokenClass.CLOSE_LIST, 1), TokenLabel(TokenClass.END, 1)]


def test_scaffold_is_all_but_values_and_prose():
    assert {kind for kind in TokenClass if not kind.is_scaffold} == {TokenClass.VALUE, TokenClass.OTHER}
    assert all(kind.meaning for kind in TokenClass)


def test_one_split_per_character_agrees_with_the_merged_one(tokenizer, labeller):
    """Where no token spans two classes of decisions, merges change nothing about what is decided."""
    vocabulary = tokenizer.get_vocab()
    for answer in ANSWERS:
        merged = labeller(tokenizer.encode(answer, add_special_tokens=False))
        single = labeller([vocabulary[letter.replace(" ", "Ġ")] for letter in answer])
        decisions = (TokenClass.NEXT_ITEM, TokenClass.CLOSE_LIST)
        assert [x for x in merged if x.kind in decisions] == [x for x in single if x.kind in decisions]


@given(st.integers(0, 2**32))
def test_any_ids_get_labels(seed):
    labeller = Labeller(tiny_tokenizer(), "id")
    ids = random.Random(seed).choices(range(-1, 400), k=60)
    assert len(labeller(ids)) == 60


def test_an_unknown_family_is_one_line(tokenizer):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    from listeval.errors import UserError

    plain = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, unk_token="a")))
    with pytest.raises(UserError, match="bytes of this tokenizer's tokens are unknown"):
        Labeller(plain, "id")
