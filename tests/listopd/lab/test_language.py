"""The language's right answers keep the harness' contract, and its early ones fail as the paper's FMC does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.contract import Failure, Kind
from listeval.errors import UserError
from listopd.lab.chance import generator
from listopd.lab.held_out import HeldOut, contracts, held_out, judge, parse
from listopd.lab.language import CLOSE, END, NEXT, PAD, LabAnswers, Language, mask_of

LANGUAGES = st.builds(
    Language,
    items=st.integers(2, 9),
    ids=st.integers(9, 30),
    id_length=st.integers(1, 2),
    words=st.integers(1, 3),
)


def prompts_of(language, seed, count=4):
    return language.prompts(count, generator("test", seed))


@given(LANGUAGES, st.integers(0, 99))
def test_right_answers_keep_the_contract(language, seed):
    asked = prompts_of(language, seed)
    answers = language.answers(asked, generator("answers", seed))
    results = parse(language, contracts(language, asked.tokens), answers)
    assert not any(isinstance(result, Failure) for result in results)
    for result, qualities in zip(results, asked.quality.tolist(), strict=True):
        scores = [item.score for item in result.value]
        assert all(abs(score - quality) <= 1 for score, quality in zip(scores, qualities, strict=True))


@given(LANGUAGES, st.integers(0, 99))
def test_an_answer_that_ends_early_lacks_exactly_one_item(language, seed):
    asked = prompts_of(language, seed)
    answers = language.answers(asked, generator("answers", seed), early=1.0)
    for result in parse(language, contracts(language, asked.tokens), answers):
        assert result.kind is Kind.MISSING_ID
        assert result.fmc


@given(LANGUAGES, st.integers(0, 99))
def test_lengths_and_places_are_what_the_language_says(language, seed):
    asked = prompts_of(language, seed)
    tokens, mask = language.answers(asked, generator("answers", seed))
    assert asked.tokens.shape == (4, language.prompt_length)
    assert tokens.shape == (4, language.answer_length)
    assert asked.tokens.max() < language.symbols
    assert tokens.max() < language.symbols
    assert mask.all()
    assert (tokens[:, -1] == END).all()
    for item in range(1, language.items + 1):
        assert (tokens[:, language.separator(item)] == (NEXT if item < language.items else CLOSE)).all()


@given(LANGUAGES, st.integers(0, 99))
def test_ids_of_a_prompt_differ(language, seed):
    asked = prompts_of(language, seed)
    for codes in language.codes(asked.tokens).tolist():
        assert len({language.text(code) for code in codes}) == language.items


@pytest.mark.parametrize("sizes", [(1, 24, 1, 1), (5, 4, 1, 1), (5, 24, 0, 1), (5, 24, 1, 0), (5, 400, 2, 1)])
def test_sizes_without_enough_ids_are_refused(sizes):
    with pytest.raises(UserError):
        Language(*sizes)


def test_the_first_prompts_do_not_depend_on_how_many_are_asked_for():
    few, many = held_out(Language(), 3), held_out(Language(), 7)
    assert few.keys == many.keys[:3]
    assert few.prompts.tokens.tolist() == many.prompts.tokens[:3].tolist()


def test_an_answer_that_was_cut_off_is_no_right_one():
    language = Language()
    asked = held_out(language, 2)
    tokens, _ = language.answers(asked.prompts, generator("answers", 0))
    tokens[:, -2] = NEXT
    tokens[:, -1] = 4
    outcomes = judge(language, asked, LabAnswers(tokens, mask_of(tokens)))
    assert [outcome.kind for outcome in outcomes] == [Kind.TRUNCATED.value] * 2
    assert [outcome.useful for outcome in outcomes] == [0.0, 0.0]


def test_useful_ndcg_is_of_the_scores_that_an_answer_gives():
    language = Language(items=2)
    asked = held_out(language, 6)
    quality = asked.prompts.quality.clone()
    quality[:] = quality.new_tensor([9, 1])
    asked = HeldOut(asked.prompts._replace(quality=quality), asked.keys, asked.contracts)
    tokens, mask = language.answers(asked.prompts, generator("answers", 0))
    assert all(outcome.useful == 1.0 for outcome in judge(language, asked, LabAnswers(tokens, mask)))
    swapped = tokens.clone()
    swapped[:, [4, 9]] = tokens[:, [9, 4]]
    assert all(outcome.useful == pytest.approx(1 / 9) for outcome in judge(language, asked, LabAnswers(swapped, mask)))
    none = HeldOut(asked.prompts._replace(quality=quality * 0), asked.keys, asked.contracts)
    assert all(outcome.useful is None for outcome in judge(language, none, LabAnswers(tokens, mask)))


def test_the_mask_ends_with_the_first_end():
    tokens = held_out(Language(), 1).prompts.tokens.new_tensor([[3, END, 5, END], [END, 3, 3, PAD], [3, 4, 5, 6]])
    assert mask_of(tokens).int().tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]]
