"""Probabilities of character transitions against enumeration of the vocabulary, and of its tokenisations."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from listeval.decoding.tokens.token_bytes import token_bytes
from listopd.batch import AnsweredPrompt
from listopd.probe.odds import StepQuestion, asked, measure, odds
from listopd.probe.vocabulary import Vocabulary
from listopd.probe.walk import StructuralStep, reference, walk
from listopd.tokens import TokenClass
from tests.listopd.tiny import ANSWERS, tiny_model, tiny_tokenizer

PROMPT = (7, 8, 9)


@pytest.fixture(scope="module")
def vocabulary():
    tokenizer = tiny_tokenizer()
    return Vocabulary(token_bytes(tokenizer), [tokenizer.eos_token_id])


@pytest.fixture(scope="module")
def network():
    return tiny_model(seed=1, width=300, scale=0.2)


def steps_of(answer, vocabulary):
    """The tokens of a right answer, and its steps."""
    tokens = tiny_tokenizer().encode(answer, add_special_tokens=False)
    text = answer.encode()
    return tokens, asked(tokens, walk(text, True, reference(text, "id")), vocabulary.texts)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def next_token(network, context):
    """Probabilities [V] in double, V the tokenizer's: rows of the head beyond it stand for nothing."""
    with torch.no_grad():
        return network(torch.tensor([context])).logits[0, -1, : len(tiny_tokenizer())].double().softmax(-1)


def enumerated(probabilities, vocabulary, step):
    """p and the undecided share of a step, token by token."""
    wanted = other = undecided = 0.0
    stops = {tiny_tokenizer().eos_token_id}
    for token, mass in enumerate(probabilities.tolist()):
        text = vocabulary.texts[token] if token < len(vocabulary.texts) else None
        n = len(step.written)
        if not step.step.wanted:
            hit = token in stops
        elif text is None:
            hit = False
            if n:
                continue
        elif not text.startswith(step.written):
            if step.written.startswith(text):
                undecided += mass
            continue
        elif len(text) == n:
            undecided += mass
            continue
        else:
            hit = text[n] in step.step.wanted
        wanted, other = wanted + mass * hit, other + mass * (not hit)
    return wanted / (wanted + other), undecided / (wanted + other + undecided)


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
@pytest.mark.parametrize("answer", ANSWERS)
def test_every_step_against_enumeration(network, vocabulary, answer, temperature):
    tokens, steps = steps_of(answer, vocabulary)
    assert len(steps) == len(answer) + 1
    assert any(step.written for step in steps), "no token is merged, so nothing is tested"
    stop = tiny_tokenizer().eos_token_id
    found = measure(network, vocabulary, [AnsweredPrompt(PROMPT, (*tokens, stop))], [steps], temperature)[0]
    for step, log_odds, undecided in zip(steps, *found, strict=True):
        tempered = next_token(network, [*PROMPT, *tokens[: step.row]]) ** (1 / temperature)
        p, left = enumerated(tempered / tempered.sum(), vocabulary, step)
        assert sigmoid(log_odds) == pytest.approx(p, rel=1e-4)
        assert undecided == pytest.approx(left, abs=1e-5)


def begins(network, vocabulary, context, text):
    """The probability that what follows begins with `text`, over all tokenisations."""
    total = 0.0
    for token, mass in enumerate(next_token(network, context).tolist()):
        piece = vocabulary.texts[token] if token < len(vocabulary.texts) else None
        if piece is None:
            continue
        if piece.startswith(text):
            total += mass
        elif text.startswith(piece):
            total += mass * begins(network, vocabulary, [*context, token], text[len(piece) :])
    return total


def test_all_tokenisations_stay_within_the_undecided_share(network, vocabulary):
    """What the step's own token leaves open bounds the error of not following other ways to spell the prefix."""
    answer = ANSWERS[0]
    tokens, steps = steps_of(answer, vocabulary)
    stop = tiny_tokenizer().eos_token_id
    found = measure(network, vocabulary, [AnsweredPrompt(PROMPT, (*tokens, stop))], [steps])[0]
    merged = [i for i, step in enumerate(steps) if step.written and len(step.step.wanted) == 1]
    assert len(merged) > 5
    for i in merged[:8]:
        step = steps[i]
        context = [*PROMPT, *tokens[: step.row]]
        here = begins(network, vocabulary, context, step.written)
        exact = begins(network, vocabulary, context, step.written + step.step.wanted) / here
        assert abs(sigmoid(found.log_odds[i]) - exact) <= found.undecided[i] + 1e-6


def test_padding_and_batching_change_nothing(network, vocabulary):
    stop = tiny_tokenizer().eos_token_id
    pairs = [steps_of(answer, vocabulary) for answer in ANSWERS]
    answers = [AnsweredPrompt(PROMPT * (i + 1), (*tokens, stop)) for i, (tokens, _) in enumerate(pairs)]
    together = measure(network, vocabulary, answers, [steps for _, steps in pairs])
    for answer, (_, steps), found in zip(answers, pairs, together, strict=True):
        alone = measure(network, vocabulary, [answer], [steps])[0]
        assert np.allclose(found.log_odds, alone.log_odds, atol=1e-3)


def test_a_teacher_without_doubt_has_p_next_to_1_and_keeps_what_is_missing(vocabulary):
    tokens, steps = steps_of(ANSWERS[0], vocabulary)
    tokens = [*tokens, tiny_tokenizer().eos_token_id]
    logits = torch.zeros(len(tokens), 300)
    logits[range(len(tokens)), tokens] = 40.0
    found = odds(logits, vocabulary, steps)
    doubt = np.exp(-found.log_odds)
    assert (found.log_odds > 30).all() and (found.undecided < 1e-9).all()
    whole = np.array([not step.written for step in steps])
    assert (doubt[whole] > 0).all() and doubt.max() < 300 * math.exp(-40) * 1.01


def test_a_step_that_no_other_token_can_take_is_certain(vocabulary):
    """Behind `}]`, of which no longer token exists, nothing follows inside the token."""
    step = StepQuestion(StructuralStep(1, TokenClass.CLOSE_LIST, 1, b"]}"), 0, b'"}')
    found = odds(torch.zeros(1, 300), Vocabulary([b'"}]', b'"}', b'"', b"}"], [3]), [step])
    assert found.log_odds[0] == math.inf
    assert found.undecided[0] == pytest.approx(2 / 3)


def test_a_stop_that_was_due_inside_a_token_is_no_question(vocabulary):
    names = tiny_tokenizer().get_vocab()
    text = b'[{"s":7}]x'
    right = reference(b'[{"s":7}]', None)
    single = [names[letter] for letter in '[{"s":7}]x']
    assert asked(single, walk(text, True, right), vocabulary.texts)[-1].step.kind is TokenClass.END
    merged = Vocabulary([*vocabulary.texts, b"]x"], [1])
    ids = [*single[:-2], len(vocabulary.texts)]
    assert asked(ids, walk(text, True, right), merged.texts)[-1].step.kind is TokenClass.CLOSE_LIST


@settings(max_examples=60)
@given(
    st.lists(st.text('}],"a', max_size=4).map(str.encode) | st.none(), min_size=1, max_size=30),
    st.text('}],"a', max_size=3).map(str.encode),
    st.sets(st.sampled_from(list(b'}],"a\xff')), min_size=1),
)
def test_a_split_sorts_every_token_once(texts, written, wanted):
    split = Vocabulary(texts, [0]).split(written, bytes(sorted(wanted)))
    n = len(written)
    live = [(token, text) for token, text in enumerate(texts) if text]
    assert set(split.wanted.tolist()) == {
        token for token, text in live if text.startswith(written) and len(text) > n and text[n] in wanted
    }
    assert set(split.undecided.tolist()) == {token for token, text in live if written.startswith(text)}
    if written:
        assert set(split.other.tolist()) == {
            token for token, text in live if text.startswith(written) and len(text) > n and text[n] not in wanted
        }
    else:
        assert split.other is None


def test_prefixes_up_to_the_last_byte():
    split = Vocabulary([b"\xff\xff", b"\xff", b"a\xff", b"b"], [0]).split(b"\xff", b"\xff")
    assert (split.wanted.tolist(), split.other.tolist(), split.undecided.tolist()) == ([0], [], [1])
    assert Vocabulary([b"a\xff", b"b"], [0]).split(b"", b"a").wanted.tolist() == [0]
