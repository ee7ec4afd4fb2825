"""Sampled answers follow the network's probabilities, greedy ones its mode, and the target the two networks'."""

import pytest
import torch

from listopd.curve.target import TargetArm, target_scores
from listopd.lab.lab_decode import greedy, greedy_target, sample
from listopd.lab.language import END, PAD, Language, mask_of
from listopd.lab.network import Network
from listopd.objective.log_probs import log_probs

NETWORK = Network(Language(items=2, ids=3))


def flat_of(*seeds):
    return torch.stack([NETWORK.initial(seed) for seed in seeds]) * 2


def asked(rows, arms=1):
    prompts = NETWORK.language.prompts(rows, torch.Generator().manual_seed(0)).tokens
    return prompts.expand(arms, -1, -1)


def whole_logits(flat, prompts, answers):
    tokens = torch.cat([prompts, answers], dim=-1)[..., :-1]
    return NETWORK.logits(NETWORK.unpack(flat), tokens, NETWORK.language.prompt_length - 1)


def test_greedy_is_the_mode_at_every_place():
    flat, prompts = flat_of(0, 1), asked(8, 2)
    answers = greedy(NETWORK, flat, prompts)
    modes = whole_logits(flat, prompts, answers.tokens).argmax(-1)
    assert torch.equal(answers.tokens[answers.mask], modes[answers.mask])
    assert (answers.tokens[~answers.mask] == PAD).all()


def test_uniform_numbers_choose_by_the_inverse_of_the_distribution_function():
    flat, prompts = flat_of(4), asked(8)
    uniforms = torch.rand(1, 8, NETWORK.language.answer_length, generator=torch.Generator().manual_seed(5))
    answers = sample(NETWORK, flat, prompts, uniforms)
    below = log_probs(whole_logits(flat, prompts, answers.tokens)).exp().cumsum(-1)
    token = answers.tokens.unsqueeze(-1)
    high = below.gather(-1, token).squeeze(-1)
    low = torch.where(token.squeeze(-1) > 0, below.gather(-1, (token - 1).clamp(min=0)).squeeze(-1), 0.0)
    kept = answers.mask
    assert (uniforms[kept] <= high[kept] + 1e-5).all()
    assert (uniforms[kept] >= low[kept] - 1e-5).all()


@pytest.mark.parametrize("edge", [0.0, 1.0 - 2.0**-24])
def test_the_ends_of_the_unit_interval_give_symbols(edge):
    answers = sample(NETWORK, flat_of(4), asked(4), torch.full((1, 4, NETWORK.language.answer_length), edge))
    assert answers.tokens.min() >= 0
    assert answers.tokens.max() < NETWORK.language.symbols


def test_frequencies_are_probabilities():
    flat, rows = flat_of(7), 4096
    prompts = asked(1).expand(1, rows, -1)
    uniforms = torch.rand(1, rows, NETWORK.language.answer_length, generator=torch.Generator().manual_seed(1))
    first = sample(NETWORK, flat, prompts, uniforms).tokens[0, :, 0]
    expected = log_probs(whole_logits(flat, prompts[:, :1], torch.zeros_like(uniforms[:, :1]).long()))[0, 0, 0].exp()
    found = torch.bincount(first, minlength=len(expected)) / rows
    assert (found - expected).abs().max() < 4 * (0.25 / rows) ** 0.5


def test_the_target_at_0_and_1_is_base_and_teacher():
    teacher, base = flat_of(1), flat_of(2)
    prompts = asked(8)
    for lam, own in ((0.0, base), (1.0, teacher)):
        found = greedy_target(NETWORK, teacher, base, torch.tensor([lam]), prompts)
        assert torch.equal(found.tokens, greedy(NETWORK, own, prompts).tokens)


def test_the_target_is_the_mode_of_the_combined_log_probabilities():
    teacher, base, lams = flat_of(1, 1, 1), flat_of(2, 2, 2), torch.tensor([1.2, 1.7, 3.0])
    prompts = asked(8, 3)
    answers = greedy_target(NETWORK, teacher, base, lams, prompts)
    above, below = (log_probs(whole_logits(flat, prompts, answers.tokens)) for flat in (teacher, base))
    strength = lams.view(3, 1, 1, 1)
    modes = (strength * above - (strength - 1) * below).argmax(-1)
    assert torch.equal(answers.tokens[answers.mask], modes[answers.mask])


@pytest.mark.parametrize("floor", [0.0, 3e-4, 0.02, 0.2])
def test_the_floor_is_that_of_the_curve_of_real_checkpoints(floor):
    lams = [1.0, 1.2, 3.0, 8.0]
    teacher, base = flat_of(*[1] * len(lams)), flat_of(*[2] * len(lams))
    prompts = asked(8, len(lams))
    answers = greedy_target(NETWORK, teacher, base, torch.tensor(lams), prompts, floor=floor)
    above, below = (log_probs(whole_logits(flat, prompts, answers.tokens)) for flat in (teacher, base))
    for arm, lam in enumerate(lams):
        there = answers.mask[arm].flatten()
        scores = target_scores(above[arm].flatten(0, 1), below[arm].flatten(0, 1), TargetArm(lam, floor))
        assert torch.equal(answers.tokens[arm].flatten()[there], scores.argmax(-1)[there])


def test_answers_end_with_their_first_end():
    answers = sample(NETWORK, flat_of(3), asked(64), torch.rand(1, 64, NETWORK.language.answer_length))
    assert torch.equal(answers.mask, mask_of(answers.tokens))
    assert ((answers.tokens == END).sum(-1) <= 1).all()
