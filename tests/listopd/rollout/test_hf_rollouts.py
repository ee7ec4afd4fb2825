"""Rollouts by transformers: a plain draw at the recipe's temperature, whole, and from the present weights."""

from __future__ import annotations

import json
import shutil

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

from listopd.batch import pad  # noqa: E402
from listopd.networks import load_network, open_model  # noqa: E402
from listopd.questions import load_questions, training_task  # noqa: E402
from listopd.recipe import Optimiser, Precision, Recipe  # noqa: E402
from listopd.rollout.hf import HFSampler  # noqa: E402
from listopd.trainee import Trainee  # noqa: E402

SEEDS = list(range(100, 116))


@pytest.fixture
def crew(pairs, checkpoint):
    """`crew(path)`: sampler, trainee and questions."""
    from accelerate import Accelerator

    def make(path=None, temperature=1.0, stops=None, max_tokens=10, tokens_per_pass=8192):
        recipe = Recipe(task="pairs", precision=Precision(tokens_per_pass=tokens_per_pass))
        opened = open_model(path or checkpoint(0))
        vocab = len(opened.renderer.tokenizer)
        network = load_network(opened, torch.device("cpu"), None, frozen=False)
        trainee = Trainee(network, Optimiser(lr=1e-2), Accelerator(cpu=True), temperature, vocab)
        opened = opened._replace(stops=stops or opened.stops)
        questions = load_questions(training_task(recipe), recipe, opened, None, max_tokens).kept
        return HFSampler(trainee, opened, max_tokens, temperature, recipe), trainee, questions

    return make


def ids(rollouts):
    return [rollout.answer for rollout in rollouts]


def test_a_rollout_depends_on_its_seed_and_prompt_alone(crew):
    sampler, _, questions = crew()
    together = sampler.sample(questions, SEEDS)
    assert len({len(q.prompt) for q in questions}) > 1, "the batch is padded"
    assert [r.question for r in together] == list(questions)
    assert ids(sampler.sample(questions[::-1], SEEDS[::-1])) == ids(together)[::-1]
    alone = [sampler.sample([q], [seed])[0] for q, seed in zip(questions[:4], SEEDS, strict=False)]
    assert ids(alone) == ids(together)[:4]
    small, _, _ = crew(tokens_per_pass=64)
    assert ids(small.sample(questions, SEEDS)) == ids(together)
    assert ids(sampler.sample(questions, [seed + 1000 for seed in SEEDS])) != ids(together)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probabilities_are_the_trainer_s_own(crew, temperature):
    sampler, trainee, questions = crew(temperature=temperature)
    rollouts = sampler.sample(questions, SEEDS)
    batch = pad([rollout.answered for rollout in rollouts], torch.device("cpu"))
    with torch.no_grad():
        scored = trainee.scorer(batch).logp[batch.mask]
    sampled = torch.tensor([value for rollout in rollouts for value in rollout.logp])
    assert float((scored - sampled).abs().max()) < 1e-5


def test_the_checkpoint_s_own_sampling_has_no_effect(crew, checkpoint, tmp_path):
    greedy = {"temperature": 0.1, "top_k": 1, "top_p": 0.1, "repetition_penalty": 3.0, "do_sample": True,
              "max_new_tokens": 2, "min_new_tokens": 1}  # fmt: skip
    copy = shutil.copytree(checkpoint(0), tmp_path / "copy")
    (copy / "generation_config.json").write_text(json.dumps(greedy))
    plain, _, questions = crew()
    other, _, _ = crew(str(copy))
    assert other.sample(questions, SEEDS) == plain.sample(questions, SEEDS)


def test_draws_follow_the_distribution(crew):
    sampler, trainee, questions = crew(max_tokens=1, temperature=2.0)
    draws = [r.answer[0] for r in sampler.sample([questions[0]] * 2000, range(2000))]
    with torch.no_grad():
        logits = trainee.network(torch.tensor([questions[0].prompt])).logits[0, -1]
    chances = (logits / 2.0).softmax(-1)[: trainee.head.vocab]
    counts = torch.bincount(torch.tensor(draws), minlength=len(chances))
    likely = chances * 2000 >= 5
    expected = chances[likely] * 2000
    assert int(likely.sum()) > 30
    # A sum of about `n` squared standard normals; five standard deviations of it are never met by chance.
    chi2 = float(((counts[likely] - expected) ** 2 / expected).sum())
    n = int(likely.sum())
    assert chi2 < n + 5 * (2 * n) ** 0.5


def test_answers_end_with_the_first_of_several_stop_tokens_or_whole(crew, checkpoint):
    stops = tuple(range(0, 271, 15))
    sampler, _, questions = crew(stops=stops, max_tokens=12)
    rollouts = sampler.sample(questions, SEEDS)
    assert {r.finish for r in rollouts} == {"stop", "length"}
    for rollout in rollouts:
        assert len(rollout.logp) == len(rollout.answer)
        assert not set(rollout.answer[:-1]) & set(stops)
        if rollout.finish == "stop":
            assert rollout.answer[-1] in stops, "the stop token is part of the answer, and is trained"
        else:
            assert len(rollout.answer) == 12 and rollout.answer[-1] not in stops
    assert len({r.answer[-1] for r in rollouts if r.finish == "stop"}) > 1


def test_the_sampler_follows_the_weights(crew, checkpoint):
    sampler, trainee, questions = crew()
    before = sampler.sample(questions, SEEDS)
    trainee.network.load_state_dict(
        load_network(open_model(checkpoint(5)), torch.device("cpu"), None, frozen=True).state_dict()
    )
    sampler.sync(1)
    fresh, _, _ = crew(checkpoint(5))
    after = sampler.sample(questions, SEEDS)
    assert ids(after) == ids(fresh.sample(questions, SEEDS)) != ids(before)


def test_training_mode_is_left_as_it_was(crew):
    sampler, trainee, questions = crew()
    for mode in (True, False):
        trainee.network.train(mode)
        sampler.sample(questions[:1], SEEDS[:1])
        assert trainee.network.training is mode


def test_ids_that_no_token_stands_for_are_never_drawn(crew, checkpoint):
    path = checkpoint(0, width=400)
    sampler, trainee, questions = crew(path, max_tokens=20)
    rollouts = sampler.sample(questions, SEEDS)
    assert trainee.head.vocab == 271
    assert max(token for r in rollouts for token in r.answer) < 271
    batch = pad([rollout.answered for rollout in rollouts], torch.device("cpu"))
    with torch.no_grad():
        scored = trainee.scorer(batch).logp[batch.mask]
    assert float((scored - torch.tensor([x for r in rollouts for x in r.logp])).abs().max()) < 1e-5
