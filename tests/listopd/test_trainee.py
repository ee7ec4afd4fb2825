"""One optimiser step: the same however the batch was cut, in float32, and not taken where a number is none."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch", reason="needs torch")
pytest.importorskip("accelerate", reason="needs accelerate")

from accelerate import Accelerator  # noqa: E402

from listeval.errors import UserError  # noqa: E402
from listopd.distillation import FrozenModels, Loss, prepare, with_lambda  # noqa: E402
from listopd.extrapolation import ConstantSpec  # noqa: E402
from listopd.objective import sampled  # noqa: E402
from listopd.objective.spec import ClipSpec, ObjectiveSpec  # noqa: E402
from listopd.optimise import learning_rate  # noqa: E402
from listopd.questions import Question  # noqa: E402
from listopd.recipe import Optimiser, Precision  # noqa: E402
from listopd.rollout.protocol import Rollout  # noqa: E402
from listopd.score import Scorer  # noqa: E402
from listopd.tokens import Labeller  # noqa: E402
from listopd.trainee import Trainee  # noqa: E402
from tests.listopd.tiny import tiny_model, tiny_tokenizer  # noqa: E402

LENGTHS = ((30, 1), (5, 12), (17, 7), (9, 21), (11, 3))
"""Of prompts and answers: unequal on purpose, for a mean of means would not show with equal ones."""
TOKENS = sum(answer for _, answer in LENGTHS)


@pytest.fixture(autouse=True)
def own_accelerator(pairs):
    """Every test has one."""


def rollouts(student):
    draw = torch.Generator().manual_seed(7)
    found = []
    for key, (prompt, answer) in enumerate(LENGTHS):
        ids = torch.randint(student.config.vocab_size, (prompt + answer,), generator=draw)
        question = Question("", tuple(ids[:prompt].tolist()), (), None, key)
        logp = tuple((-5 + torch.randn(answer, generator=draw)).tolist())
        found.append(Rollout(question, tuple(ids[prompt:].tolist()), logp, "length"))
    return found


def step(tokens_per_pass=8192, packing="off", spec=None, models=(0, 1, 2), mutate=None, **optimiser):
    """Gradient before the step, the update, the loss and the network after it."""
    spec = spec or ObjectiveSpec(clips=ClipSpec(rollout_cap=2.0))
    student, teacher, base = (tiny_model(seed, scale=0.1) for seed in models)
    if mutate:
        mutate(teacher)
    trainee = Trainee(student, Optimiser(**{"lr": 1e-3, "max_grad_norm": 1e9} | optimiser), Accelerator(cpu=True))
    frozen = FrozenModels(Scorer(teacher), Scorer(base))
    precision = Precision(tokens_per_pass=tokens_per_pass, packing=packing)
    batch = rollouts(student)
    passes = prepare(batch, frozen, trainee.scorer, Labeller(tiny_tokenizer(), "id"), spec, precision)
    passes = with_lambda(passes, ConstantSpec(value=1.3).build())
    denominator = TOKENS if spec.aggregate == "token_mean" else len(LENGTHS)
    loss = Loss(spec, frozen, trainee.scorer, trainee.head, denominator)
    kept = {}
    trainee.optimiser.optimizer.register_step_pre_hook(
        lambda *_: kept.update({name: p.grad.clone() for name, p in student.named_parameters()})
    )
    update = trainee.update(passes, loss, trainee._spec.lr, 0)
    return kept, update, loss, student, len(passes)


EXACT = ObjectiveSpec(divergence="rkl")
SPECS = [
    ObjectiveSpec(clips=ClipSpec(rollout_cap=2.0)),
    ObjectiveSpec(aggregate="sequence_mean", kl_to_base=0.1, entropy=0.01, entropy_on="values"),
    EXACT,
]


@pytest.mark.parametrize("spec", SPECS, ids=["sampled", "regularised", "exact"])
def test_gradient_loss_and_figures_do_not_depend_on_how_the_batch_is_cut(spec):
    whole, update, loss, _, one = step(spec=spec)
    for kwargs in ({"tokens_per_pass": 64}, {"tokens_per_pass": 64, "packing": "on"}, {"packing": "on"}):
        cut, again, others, _, several = step(spec=spec, **kwargs)
        assert one == 1 and (several > 1 or "tokens_per_pass" not in kwargs)
        for name, grad in whole.items():
            torch.testing.assert_close(cut[name], grad, atol=2e-6, rtol=1e-4)
        assert again.loss == pytest.approx(update.loss, rel=1e-5)
        assert again.grad_norm == pytest.approx(update.grad_norm, rel=1e-4)
        assert others.sums == pytest.approx(loss.sums, rel=1e-4, abs=1e-4)


def test_the_loss_is_the_mean_of_weighted_advantages_over_all_tokens():
    _, update, loss, *_ = step(spec=ObjectiveSpec())
    assert loss.sums["tokens"] == TOKENS
    _, plain, _, *_ = step(spec=ObjectiveSpec(aggregate="sequence_mean"))
    assert plain.loss != pytest.approx(update.loss, rel=1e-3), "another mean is another number"


def test_a_pass_that_keeps_others_company_is_not_counted():
    _, _, loss, *_ = step()
    before = dict(loss.sums)
    student = tiny_model(0, scale=0.1)
    frozen = FrozenModels(Scorer(tiny_model(1)), Scorer(tiny_model(2)))
    passes = prepare(
        rollouts(student), frozen, Scorer(student), Labeller(tiny_tokenizer(), "id"), ObjectiveSpec(), Precision()
    )
    loss(passes[0], False)
    assert loss.sums == before
    loss(passes[0], True)
    assert loss.sums["tokens"] == 2 * TOKENS


def test_the_norm_is_that_before_clipping():
    gradient, update, *_ = step()
    clipped, again, *_ = step(max_grad_norm=0.01)
    norm = float(torch.stack([grad.norm() for grad in gradient.values()]).norm())
    assert update.grad_norm == again.grad_norm == pytest.approx(norm, rel=1e-5)
    assert float(torch.stack([grad.norm() for grad in clipped.values()]).norm()) == pytest.approx(0.01, rel=1e-3)


def test_a_small_step_reaches_float32_weights_that_bfloat16_ones_would_lose():
    *_, student, _ = step(lr=1e-6, weight_decay=0.0)
    start = {name: p.detach() for name, p in tiny_model(0, scale=0.1).named_parameters()}
    moved = {name: (p.detach() - start[name]).abs().max() for name, p in student.named_parameters()}
    assert all(float(move) > 0 for move in moved.values())
    # The norms' weights are 1, where bfloat16 has steps of 2^-8.
    norm = "model.norm.weight"
    assert torch.equal(student.get_parameter(norm).bfloat16(), start[norm].bfloat16())


@pytest.mark.parametrize("spec", [SPECS[0], EXACT], ids=["sampled", "exact"])
def test_nan_leaves_the_weights_as_they_were(spec):
    def poison(teacher):
        teacher.model.norm.weight.data[3] = float("nan")

    seen = {}

    def watch(self, total, rate, number, kept=Trainee._step):
        seen["before"] = copy.deepcopy(self.network.state_dict())
        seen["trainee"] = self
        return kept(self, total, rate, number)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(UserError, match="the loss is nan in step 1") as error:
        patch.setattr(Trainee, "_step", watch)
        step(spec=spec, mutate=poison)
    assert "\n" not in str(error.value)
    after = seen["trainee"].network.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in seen["before"].items())
    assert all(p.grad is None for p in seen["trainee"].network.parameters()), "nothing is left for the next step"


def test_student_teacher_and_base_alike_leave_nothing_to_learn():
    gradient, update, loss, student, _ = step(models=(0, 0, 0), weight_decay=0.0)
    assert not any(grad.any() for grad in gradient.values())
    assert update == (0.0, 0.0)
    assert loss.sums["advantage_squared"] == 0 and loss.sums["reverse_kl"] == 0
    start = tiny_model(0, scale=0.1).state_dict()
    assert all(torch.equal(tensor, start[name]) for name, tensor in student.state_dict().items())


def test_base_of_the_same_weights_is_the_student_to_the_bit(monkeypatch):
    gaps = []
    kept = sampled.extrapolated_advantage

    def watch(student, teacher, base, *args, **kwargs):
        gaps.append((float((student - base).abs().max()), float((student - teacher).abs().max())))
        return kept(student, teacher, base, *args, **kwargs)

    monkeypatch.setattr(sampled, "extrapolated_advantage", watch)
    step(models=(0, 1, 0), tokens_per_pass=64)
    assert len(gaps) > 1
    assert all(base == 0 and teacher > 0.01 for base, teacher in gaps)


def test_learning_rates():
    cosine = Optimiser(lr=1.0, schedule="cosine", warmup=2)
    rates = [learning_rate(cosine, step, 10) for step in range(10)]
    assert rates[:3] == [0.5, 1.0, 1.0] and rates == sorted(rates[:2]) + sorted(rates[2:], reverse=True)
    assert 0 < rates[-1] < 0.05
    assert {learning_rate(Optimiser(lr=1.0), step, 10) for step in range(10)} == {1.0}
