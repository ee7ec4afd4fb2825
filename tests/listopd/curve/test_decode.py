"""Decoding many λ together: against answers on paper, against each λ alone, and against the models' own generation."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from listopd.curve.cached import CachedNetwork
from listopd.curve.decode import WrittenAnswer, decode
from listopd.curve.target import TargetArm
from listopd.threshold import lambda_flip
from listopd.threshold.closed_form import sigmoid
from tests.listopd.curve.tables import RIGHT, STOP, WRONG, Table, odds
from tests.listopd.tiny import tiny_model, tiny_tokenizer

LAMS = (0.0, 0.5, 1.0, 1.2, 1.5, 2.0, 4.0)


@given(
    st.lists(st.tuples(st.floats(0.1, 6), st.floats(0.1, 6)), min_size=1, max_size=5),
    st.lists(st.floats(1.001, 8), min_size=1, max_size=6),
)
def test_every_step_flips_at_its_own_lambda(pairs, lams):
    flips = [lambda_flip(float(sigmoid(p)), float(sigmoid(b))) for p, b in pairs]
    lams = [lam for lam in lams if all(abs(lam - flip) > 1e-6 for flip in flips)]
    teacher, base = (Table(odds(*column)) for column in zip(*pairs, strict=True))
    found = decode(teacher, base, [(0,)], [TargetArm(lam) for lam in lams], [STOP], [20])[0]
    for lam, answer in zip(lams, found, strict=True):
        assert answer == WrittenAnswer(tuple(RIGHT if lam < flip else WRONG for flip in flips), True)


def test_lambdas_that_write_the_same_are_one_row():
    """Six λ and four steps; only the last λ parts from the others, at the second step."""
    teacher, base = Table(odds(2, 2, 2, 2)), Table(odds(1, 3, 1, 1))
    arms = [TargetArm(lam) for lam in (1.1, 1.2, 1.3, 1.4, 1.5, 4.0)]
    found = decode(teacher, base, [(0,)], arms, [STOP], [20])[0]
    assert [answer.tokens[1] for answer in found] == [RIGHT] * 5 + [WRONG]
    assert teacher.passes == base.passes == 1 + 1 + 2 + 2 + 2


@settings(deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_an_arm_and_a_prompt_alone_write_what_they_write_among_others(seed, budgets):
    chance = torch.Generator().manual_seed(seed)
    rows = torch.randn(2, 3, 8, 4, generator=chance, dtype=torch.double).mul(3).log_softmax(-1)
    networks = [Table(rows[0]), Table(rows[1])]
    prompts, arms = [(place,) for place in range(len(budgets))], [TargetArm(lam, 0.05) for lam in LAMS]
    together = decode(*networks, prompts, arms, [STOP], budgets)
    for place, prompt in enumerate(prompts):
        for number, arm in enumerate(arms):
            assert decode(*networks, [prompt], [arm], [STOP], [budgets[place]]) == [[together[place][number]]]
            assert len(together[place][number].tokens) + together[place][number].stopped <= budgets[place]


def test_a_stop_token_as_the_last_of_the_budget_still_stops():
    networks = Table(odds(1, 1)), Table(odds(1, 1))
    assert decode(*networks, [(0,)], [TargetArm(1.0)], [STOP], [3])[0][0] == WrittenAnswer((RIGHT, RIGHT), True)
    assert decode(*networks, [(0,)], [TargetArm(1.0)], [STOP], [2])[0][0] == WrittenAnswer((RIGHT, RIGHT), False)


@pytest.fixture(scope="module")
def networks():
    return tiny_model(seed=1, scale=0.2), tiny_model(seed=2, width=300, scale=0.2)


PROMPTS = [(7, 8, 9), (11, 12), (30, 31, 32, 33, 34, 35, 36), (5,)]


def written(networks, prompts, arms, budget=12, temperature=1.0):
    vocab = len(tiny_tokenizer())
    cached = [CachedNetwork(network, vocab, temperature) for network in networks]
    return decode(*cached, prompts, arms, [tiny_tokenizer().eos_token_id], [budget] * len(prompts))


def test_with_caches_and_padding_it_writes_what_whole_passes_write(networks):
    """Greedy from log p and log b of the whole sequence, one prompt and λ at a time, without cache or padding."""
    vocab, stop = len(tiny_tokenizer()), tiny_tokenizer().eos_token_id
    found = written(networks, PROMPTS, [TargetArm(lam) for lam in LAMS])
    assert len({answer.tokens for answers in found for answer in answers}) > len(PROMPTS), "all λ write the same"
    for prompt, answers in zip(PROMPTS, found, strict=True):
        for lam, answer in zip(LAMS, answers, strict=True):
            tokens: list[int] = []
            while len(tokens) < 12:
                ids = torch.tensor([[*prompt, *tokens]])
                with torch.no_grad():
                    p, b = (net(ids).logits[0, -1, :vocab].double().log_softmax(-1) for net in networks)
                tokens.append(int((lam * p - (lam - 1) * b).argmax()))
                if tokens[-1] == stop:
                    break
            assert list(answer.tokens) + [stop] * answer.stopped == tokens


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_the_floor_is_on_probabilities_at_the_temperature(networks, temperature):
    """Without a floor greedy decoding knows no temperature."""
    arms = [TargetArm(lam) for lam in LAMS]
    assert written(networks, PROMPTS, arms, temperature=temperature) == written(networks, PROMPTS, arms)
    cached = CachedNetwork(networks[0], len(tiny_tokenizer()), temperature)
    with torch.no_grad():
        plain = networks[0](torch.tensor([PROMPTS[0]])).logits[0, -1, : len(tiny_tokenizer())].double()
        found = cached.start([PROMPTS[0]])[0]
    assert torch.allclose(found, (plain / temperature).log_softmax(-1), atol=1e-5)


def test_neighbours_change_no_answer(networks):
    together = written(networks, PROMPTS, [TargetArm(lam, 1e-3) for lam in LAMS])
    for place, prompt in enumerate(PROMPTS):
        assert written(networks, [prompt], [TargetArm(lam, 1e-3) for lam in LAMS])[0] == together[place]
        assert written(networks, [prompt], [TargetArm(4.0, 1e-3)])[0][0] == together[place][-1]


def test_one_network_in_both_roles_is_itself_at_every_lambda(networks):
    found = written((networks[0], networks[0]), PROMPTS, [TargetArm(lam) for lam in LAMS])
    assert all(answer == answers[0] for answers in found for answer in answers)
