"""The trainer's own student, teacher and base, put together for one step at a time: nothing here is a copy of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from benchmarks.gpu.job import Job, wait
from benchmarks.gpu.networks import STUDENT, TEACHER, Shape, random_network, twin
from listopd.adapters import WithoutAdapters
from listopd.distillation import FrozenModels, Loss, Reference, ScoredBatch, log_prob_before, prepare, with_lambda
from listopd.extrapolation import LambdaPolicy
from listopd.floor import Machine, Size, Work
from listopd.networks import checkpoint_activations, open_model
from listopd.optimise import learning_rate
from listopd.parallel import make_accelerator
from listopd.questions import load_questions, training_task
from listopd.recipe import Opd, Recipe
from listopd.rollout import Rollout
from listopd.start import prepare_for_training
from listopd.step_figures import update_figures
from listopd.three_models import as_base, as_teacher, load_models, open_models
from listopd.tokens import Labeller
from listopd.trainee import Trainee

if TYPE_CHECKING:
    from listopd.questions import Question

LAM, RATE = 1.25, 2e-4


class Bench(NamedTuple):
    """Everything that one update needs."""

    recipe: Recipe
    spec: Opd
    trainee: Trainee
    frozen: FrozenModels
    label: Labeller
    policy: LambdaPolicy

    def prepare(self, rollouts: Sequence[Rollout]) -> list[ScoredBatch]:
        """Scored by teacher and base, as `opd` scores a minibatch."""
        with self.trainee.accelerator.autocast():
            found = prepare(
                rollouts, self.frozen, self.trainee.scorer, self.label, self.spec.objective, self.recipe.precision
            )
        return with_lambda(found, self.policy)

    def update(self, found: Sequence[ScoredBatch]) -> dict[str, float]:
        """One optimiser step: its loss, gradient's norm and means a token."""
        tokens = sum(int(part.batch.mask.sum()) for part in found)
        loss = Loss(self.spec.objective, self.frozen, self.trainee.scorer, self.trainee.head, tokens)
        update = self.trainee.update(found, loss, learning_rate(self.spec.optimiser, 0, 1), 0)
        return {"loss": update.loss, "grad_norm": update.grad_norm, **update_figures(loss.sums)}

    def s_minus_b(self, found: Sequence[ScoredBatch]) -> float:
        """The largest |S - B| of the rollouts' tokens under the numerics of the update."""
        largest = 0.0
        with torch.no_grad(), self.trainee.accelerator.autocast():
            for part in found:
                assert part.base is not None
                student = log_prob_before(self.trainee.scorer, part.batch, self.recipe.precision)
                gap = (student - part.base.scores.logp).abs()
                largest = max(largest, float(gap[part.batch.mask].max()))
        return largest

    def reshaped(self, tokens: int, *, recomputed: bool, packed: bool) -> Bench:
        """The same networks under another layout."""
        layout = {"tokens_per_pass": tokens, "gradient_checkpointing": recomputed, "packing": "on" if packed else "off"}
        networks = [self.trainee.network]
        if self.recipe.precision.compile and self.frozen.base is not None:
            networks.append(self.frozen.base.network)
        for network in networks:
            # In training mode either way, for which there is compiled code; nothing drops out.
            checkpoint_activations(network)
            if not recomputed:
                network.gradient_checkpointing_disable()
        precision = self.recipe.precision.model_copy(update=layout)
        return self._replace(recipe=self.recipe.model_copy(update={"precision": precision}))

    def measure(self, rollouts: Sequence[Rollout], best: Machine) -> dict[str, float]:
        """Seconds of scoring and update of one step, and the step as a multiple of its floor, sampling left out."""
        device = self.trainee.accelerator.device
        try:
            started = wait(device)
            found = self.prepare(rollouts)
            scored = wait(device)
            self.update(found)
            ended = wait(device)
        finally:
            # Gradients of a step that did not fit must not be added to the next one's.
            self.trainee.optimiser.zero_grad()
        work = Work.of([r.answered for r in rollouts], 1, self.recipe.precision.gradient_checkpointing)
        frozen = [Size.of(scorer.network) for scorer in self.frozen if scorer is not None]
        floor = work.floor_seconds(Size.of(self.trainee.network), frozen, best, rollouts=False)
        seconds = ended - started
        return {
            "seconds": seconds,
            "seconds_scoring": scored - started,
            "seconds_update": ended - scored,
            "times_floor": seconds / floor,
            "tokens_per_s": (work.prompt_tokens + work.answer_tokens) / seconds,
        }


def graphs_only() -> None:
    """From now on, in this process: what is compiled is traced and differentiated, and no kernels are made.

    For a rehearsal: inductor's first kernel costs a CPU half a minute.
    """
    compiled = torch.nn.Module.compile

    def trace(self: torch.nn.Module, *args: Any, **more: Any) -> None:
        compiled(self, *args, **{**more, "backend": "aot_eager"})

    torch.nn.Module.compile = trace


def make_recipe(job: Job, compute: str, *, precision: dict[str, Any] | None = None, **opd: Any) -> Recipe:
    """Tiny student and teacher on the bundled reviews, the base the student's start; `opd` replaces what it names."""
    section = {
        "student": STUDENT,
        "teacher": TEACHER,
        "engine": "hf",
        "steps": 1,
        "max_tokens": 96,
        "extrapolation": {"kind": "constant", "value": LAM},
        "optimiser": {"lr": RATE},
    } | opd
    numerics = {"device": job.device.type, "compute": compute} | (precision or {})
    options = {"split": "all", "k": 8}
    return Recipe.model_validate({"task": "fashion", "options": options, "precision": numerics, "opd": section})


def of_checkpoints(job: Job, recipe: Recipe) -> Bench:
    """The networks that the recipe names, loaded as a training loads them."""
    spec = _opd(recipe)
    models = open_models(spec, recipe)
    trainee, frozen = load_models(models, spec, recipe, make_accelerator(recipe, job.folder))
    label = Labeller(models.student.renderer.tokenizer, "review_id")
    return Bench(recipe, spec, trainee, frozen, label, spec.extrapolation.build())


def of_shapes(job: Job, recipe: Recipe, student: Shape, teacher: Shape) -> Bench:
    """Random weights of these shapes in the places of the recipe's networks."""
    spec, accelerator = _opd(recipe), make_accelerator(recipe, job.folder)
    network = random_network(student, job.device, seed=0, frozen=False)
    towards = random_network(teacher, job.device, seed=1, frozen=True)
    towards = as_teacher(towards, spec, recipe, accelerator, student.vocab)
    away: Reference | None = None
    if not spec.lora:
        away = as_base(twin(network), spec, recipe, accelerator, student.vocab)
    prepare_for_training(network, spec.lora, recipe)
    trainee = Trainee(network, spec.optimiser, accelerator, vocab=student.vocab)
    if spec.lora:
        away = WithoutAdapters(trainee.head, trainee.scorer)
    label = Labeller(open_model(spec.student).renderer.tokenizer, "review_id")
    return Bench(recipe, spec, trainee, FrozenModels(towards, away), label, spec.extrapolation.build())


def real_questions(recipe: Recipe) -> Sequence[Question]:
    """The recipe's questions as the tiny student reads them."""
    spec = _opd(recipe)
    checkpoint = open_model(spec.student)
    task = training_task(recipe)
    return load_questions(task, recipe, checkpoint, checkpoint.info.max_length, spec.max_tokens).kept


def _opd(recipe: Recipe) -> Opd:
    assert recipe.opd is not None
    return recipe.opd
