"""An arm is trained as the trainer's objective and torch's parts would train it, and as if it were alone."""

import math

import pytest
import torch

from listopd.lab.language import Language
from listopd.lab.losses import LOSSES, Rows, sampled_log_probs
from listopd.lab.network import Network
from listopd.lab.training import ArmStack, Shape, TrainingSettings
from tests.listopd.lab.oracle import Plain

NETWORK = Network(Language(items=3, ids=6))
FULL = Network(Language())


def stack_of(network, shape, knobs, seeds):
    """Arms of different networks: the three of arm a are made from `seeds[a]`."""
    rows = [torch.stack([network.initial(seed * 3 + at) for seed in seeds]) * 1.5 for at in range(3)]
    return ArmStack(network, shape, knobs, *rows)


def knobs_of(count):
    lams, caps, rates = (1.0, 1.2, 2.0, 3.0), (math.inf, 5.0, 2.0), (1e-3, 5e-3)
    return [TrainingSettings(lams[at % 4], caps[at % 3], rates[at % 2], at // 4) for at in range(count)]


@pytest.mark.parametrize(("method", "updates"), [("listopd", 1), ("exact", 1), ("expected", 1), ("aspo", 2)])
def test_an_arm_alone_is_the_arm_among_63_others_to_the_bit(method, updates):
    knobs, shape = knobs_of(64), Shape(method, 8, updates)
    among = stack_of(FULL, shape, knobs, range(64))
    for _ in range(3):
        step = among.step()
    for arm in (0, 13, 63):
        alone = stack_of(FULL, shape, [knobs[arm]], [arm])
        for _ in range(3):
            own = alone.step()
        assert torch.equal(own.answers.tokens[0], step.answers.tokens[arm])
        assert torch.equal(alone.weights[0], among.weights[arm])
        assert torch.equal(alone.adam.second[0], among.adam.second[arm])


@pytest.mark.parametrize("method", LOSSES)
def test_a_step_is_one_of_torch_on_the_trainers_objective(method):
    knobs = knobs_of(4)
    stack = stack_of(NETWORK, Shape(method, 8), knobs, range(4))
    before, frozen = stack.weights.clone(), stack.frozen.clone()
    step = stack.step()
    first = NETWORK.language.prompt_length - 1
    for arm, knob in enumerate(knobs):
        tokens = torch.cat([step.prompts[arm], step.answers.tokens[arm]], dim=-1)[:, :-1]
        plain, teacher, base = (Plain(NETWORK, row) for row in (before[arm], frozen[arm], frozen[arm + 4]))
        logits = plain(tokens)[:, first:]
        with torch.no_grad():
            others = [one(tokens)[:, first:].flatten(0, 1) for one in (teacher, base)]
        answer, mask = step.answers.tokens[arm].flatten(), step.answers.mask[arm].flatten()
        rows = logits.flatten(0, 1)
        lam, cap = torch.full(answer.shape, knob.lam), torch.full(answer.shape, knob.cap)
        old = sampled_log_probs(rows.detach(), answer)
        loss = LOSSES[method](Rows(rows, *others, answer, old, lam, cap, mask)).per_token
        optimiser = torch.optim.AdamW(plain.parameters(), lr=knob.lr, weight_decay=0.01)
        (loss[mask].sum() / mask.sum()).backward()
        norm = torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        torch.testing.assert_close(step.norm[arm], norm, atol=1e-5, rtol=1e-4)
        moment = plain.flat(lambda part: part.weight.grad) * 0.1
        torch.testing.assert_close(stack.adam.first[arm, : NETWORK.parameters], moment, atol=2e-6, rtol=1e-3)
        optimiser.step()
        moved = stack.weights[arm, : NETWORK.parameters] - plain.flat()
        # Where a gradient is nearly 0, AdamW's first step is its sign, which rounding decides.
        assert (moved.abs() < knob.lr / 50).float().mean() > 0.99


def test_arms_of_a_seed_are_asked_the_same_and_others_are_not():
    knobs = [
        TrainingSettings(1.0, math.inf, 1e-3, 0),
        TrainingSettings(2.0, math.inf, 1e-3, 0),
        TrainingSettings(1.0, math.inf, 1e-3, 1),
    ]
    step = stack_of(NETWORK, Shape("listopd", 8), knobs, [0, 0, 0]).step()
    assert torch.equal(step.prompts[0], step.prompts[1])
    assert torch.equal(step.answers.tokens[0], step.answers.tokens[1])
    assert not torch.equal(step.prompts[0], step.prompts[2])


def test_several_updates_make_several_steps_and_move_the_ratio():
    stack = stack_of(NETWORK, Shape("ppo", 8, 2), knobs_of(2), range(2))
    one = stack_of(NETWORK, Shape("listopd", 8, 1), knobs_of(2), range(2))
    stack.step(), one.step()
    assert (stack.adam.steps, one.adam.steps) == (2, 1)
    assert torch.equal(stack.step().prompts, one.step().prompts)


@pytest.mark.slow
def test_training_towards_the_teacher_lowers_the_divergence():
    knobs = [TrainingSettings(1.0, math.inf, 2e-3, seed) for seed in range(5)]
    stack = stack_of(NETWORK, Shape("listopd", 32), knobs, [0] * 5)
    divergences = []
    for _ in range(60):
        step = stack.step()
        student, teacher = step.student.log_softmax(-1), step.teacher.log_softmax(-1)
        divergences.append((student.exp() * (student - teacher)).sum(-1).mean((1, 2)))
    assert (torch.stack(divergences[-5:]).mean(0) < 0.8 * divergences[0]).all()
