"""One batch of rollouts, two trainers: our loss and optimiser step against TRL's GRPO with an advantage a token."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("trl", reason="needs trl, the oracle: pip install trl==1.16.0")

from accelerate import Accelerator  # noqa: E402

from benchmarks.peers.trl_opd import PerTokenGRPO, configuration  # noqa: E402
from listopd.distillation import FrozenModels, Loss, prepare, with_lambda  # noqa: E402
from listopd.extrapolation import ConstantSpec  # noqa: E402
from listopd.objective.spec import ClipSpec, ObjectiveSpec  # noqa: E402
from listopd.questions import Question  # noqa: E402
from listopd.recipe import Optimiser, Precision  # noqa: E402
from listopd.rollout import Rollout  # noqa: E402
from listopd.score import Scorer  # noqa: E402
from listopd.tokens import Labeller  # noqa: E402
from listopd.trainee import Trainee  # noqa: E402
from tests.listopd.tiny import tiny_model, tiny_tokenizer  # noqa: E402

LENGTHS = ((30, 1), (5, 12), (17, 7), (9, 21))
"""Of prompts and answers."""
LAM, CAP, TEMPERATURE, RATE, DECAY = 1.3, 1.1, 0.8, 1e-3, 0.01


def rollouts(student):
    """Random tokens, with log-probabilities from an engine that rounds badly: a third of the weights meet the cap."""
    draw = torch.Generator().manual_seed(7)
    found = []
    for prompt, answer in LENGTHS:
        ids = torch.randint(student.config.vocab_size, (prompt + answer,), generator=draw)
        with torch.no_grad():
            logits = student(ids[None]).logits[0, prompt - 1 : -1] / TEMPERATURE
        logp = logits.log_softmax(-1).gather(1, ids[prompt:, None])[:, 0]
        logp = logp + 0.3 * torch.randn(answer, generator=draw)
        question = Question("", tuple(ids[:prompt].tolist()), (), None, 0)
        found.append(Rollout(question, tuple(ids[prompt:].tolist()), tuple(logp.tolist()), "length"))
    return found


def gradients(network):
    return {name: parameter.grad.clone() for name, parameter in network.named_parameters()}


def ours(student, teacher, base, batch, bound):
    """Gradients (clipped to `bound`), their norm before that, loss, and the weights after the step."""
    spec = ObjectiveSpec(base="path", clips=ClipSpec(rollout_cap=CAP), temperature=TEMPERATURE)
    optimiser = Optimiser(lr=RATE, weight_decay=DECAY, max_grad_norm=bound)
    trainee = Trainee(student, optimiser, Accelerator(cpu=True), TEMPERATURE)
    frozen = FrozenModels(Scorer(teacher, TEMPERATURE), Scorer(base, TEMPERATURE))
    label = Labeller(tiny_tokenizer(), "id")
    # Small passes, so that the step is put together from several.
    passes = prepare(batch, frozen, trainee.scorer, label, spec, Precision(tokens_per_pass=64))
    passes = with_lambda(passes, ConstantSpec(value=LAM).build())
    assert len(passes) > 1
    loss = Loss(spec, frozen, trainee.scorer, trainee.head, sum(len(r.answer) for r in batch))
    kept = {}
    trainee.optimiser.optimizer.register_step_pre_hook(lambda *_: kept.update(gradients(student)))
    update = trainee.update(passes, loss, RATE, 0)
    return SimpleNamespace(grad=kept, norm=update.grad_norm, loss=update.loss, sums=loss.sums, student=student)


def theirs(student, teacher, base, batch, bound, folder):
    """The same from TRL, in two micro-batches of one optimiser step."""
    from transformers import TrainerCallback

    config = configuration(
        str(folder), batch=2, gradient_accumulation_steps=2, max_steps=1, learning_rate=RATE, weight_decay=DECAY,
        max_grad_norm=bound, temperature=TEMPERATURE, vllm_importance_sampling_clip_max=CAP, logging_steps=1,
    )  # fmt: skip
    prompts = [rollout.question.prompt for rollout in batch]
    answers = {i: (rollout.answer, rollout.logp) for i, rollout in enumerate(batch)}
    kept = {}

    class Keep(TrainerCallback):
        def on_pre_optimizer_step(self, *_, **__):
            kept.update(gradients(student))

    trainer = PerTokenGRPO(student, (teacher, base), LAM, prompts, tiny_tokenizer(), config, answers)
    trainer.add_callback(Keep())
    trainer.train()
    log = trainer.state.log_history[0]
    return SimpleNamespace(grad=kept, norm=log["grad_norm"], loss=log["loss"], log=log, student=student)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    models = [tiny_model(seed, scale=0.1) for seed in (0, 1, 2)]
    batch = rollouts(models[0])
    one = ours(*copy.deepcopy(models), batch, bound=0.5)
    return one, theirs(*copy.deepcopy(models), batch, 0.5, tmp_path_factory.mktemp("trl")), models[0]


def test_the_batch_exercises_cap_clip_and_every_weight(both):
    one, two, _ = both
    assert 0.2 < one.sums["clipped_rollout_cap"] / one.sums["tokens"] < 0.8
    assert one.norm > 0.5, "the gradient is clipped"
    assert min(float(grad.abs().max()) for grad in one.grad.values()) > 1e-4
    assert two.log["sampling/importance_sampling_ratio/max"] == pytest.approx(CAP)


def test_gradients_agree(both):
    one, two, _ = both
    assert one.grad.keys() == two.grad.keys()
    for name, grad in one.grad.items():
        assert float((grad - two.grad[name]).abs().max()) <= 1e-6, name
    assert one.norm == pytest.approx(two.norm, rel=1e-5)
    assert one.loss == pytest.approx(two.loss, rel=1e-4)


def test_first_adamw_steps_agree(both):
    one, two, start = both
    before, after = start.state_dict(), two.student.state_dict()
    for name, weight in one.student.state_dict().items():
        assert float((weight - after[name]).abs().max()) <= 1e-6, name
        assert float((weight - before[name]).abs().max()) > RATE / 2, "the step has moved this one"
