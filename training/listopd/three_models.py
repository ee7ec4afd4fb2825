"""Student, teacher and base: opened, found to fit each other, loaded, and compared before the first step."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from listeval.errors import UserError
from listeval.stats.intervals import student_quantile
from listopd.adapters import WithoutAdapters
from listopd.batch import AnsweredPrompt, BatchLayout
from listopd.distillation import FrozenModels, Reference, log_prob_before
from listopd.networks import agree, compile_layers, load_network, open_model, round_products
from listopd.phase import doing
from listopd.score import Scorer, ScorerAsTrained, check_scorer
from listopd.sharding import release, shard
from listopd.start import prepare_for_training
from listopd.trainee import Trainee

if TYPE_CHECKING:
    from accelerate import Accelerator

    from listeval.models.checkpoint import Checkpoint
    from listopd.questions import Question
    from listopd.recipe import Opd, Recipe

_LOG = logging.getLogger(__name__)
_GOLD_LEAST, _GOLD_MOST = 16, 64
"""Right answers that teacher and student are compared on: no more than a step has, for it is to cost less than one."""


class ThreeModels(NamedTuple):
    """The three checkpoints; `base` is the student's where it is the start, and None where nobody plays it.

    At lambda = 1 nobody does: the base drops out of the loss.
    """

    student: Checkpoint
    teacher: Checkpoint
    base: Checkpoint | None

    @property
    def max_length(self) -> int | None:
        """Prompt plus answer in tokens that all of them take; None where none of them says."""
        lengths = [c.info.max_length for c in self if c is not None and c.info.max_length is not None]
        return min(lengths, default=None)


def open_models(spec: Opd, recipe: Recipe) -> ThreeModels:
    """Opened and found to share one tokenizer. Raises UserError where one is missing or differs."""
    student, teacher = open_model(spec.student, recipe.thinking), open_model(spec.teacher, recipe.thinking)
    agree(student, teacher, "teacher")
    if spec.objective.base == "none":
        return ThreeModels(student, teacher, None)
    base = student
    if spec.base is not None:
        # Also where it will not be needed: a base that is named must be there.
        base = open_model(spec.base, recipe.thinking)
        agree(student, base, "base")
    return ThreeModels(student, teacher, base if spec.needs_base else None)


def load_models(
    models: ThreeModels, spec: Opd, recipe: Recipe, accelerator: Accelerator
) -> tuple[Trainee, FrozenModels]:
    """The networks: also in a resumed run the base is what the student once started from."""
    temperature, vocab = spec.objective.temperature, len(models.student.renderer.tokenizer)

    def load(checkpoint: Checkpoint, *, frozen: bool) -> Any:
        doing(f"loading {checkpoint.info.name}")
        network = load_network(checkpoint, accelerator.device, recipe.precision.attention, frozen=frozen)
        scorer, layout = Scorer(network, temperature, vocab), BatchLayout.of(recipe.precision, network)
        with accelerator.autocast():
            check_scorer(scorer, layout, accelerator.mixed_precision, checkpoint.info.name)
        return network

    keep_head = spec.objective.full_vocabulary
    # The student last: of sharded networks only one is ever whole.
    teacher = as_teacher(load(models.teacher, frozen=True), spec, recipe, accelerator, vocab)
    shard(teacher, accelerator, keep_head=keep_head)
    own_base = models.base is not None and spec.lora is not None and spec.objective.base == "start"
    base: Reference | None = None
    if models.base is not None and not own_base:
        base = shard(
            as_base(load(models.base, frozen=True), spec, recipe, accelerator, vocab), accelerator, keep_head=keep_head
        )
    network = load(models.student, frozen=False)
    prepare_for_training(network, spec.lora, recipe)
    trainee = Trainee(network, spec.optimiser, accelerator, temperature, vocab)
    if own_base:
        base = WithoutAdapters(trainee.head, trainee.scorer)
    return trainee, FrozenModels(teacher, base)


def as_teacher(network: Any, spec: Opd, recipe: Recipe, accelerator: Accelerator, vocab: int) -> Scorer:
    """A frozen float32 network as the teacher."""
    if accelerator.mixed_precision == "bf16":
        round_products(network, torch.bfloat16)
    if recipe.precision.compile:
        compile_layers(network)
    return Scorer(network, spec.objective.temperature, vocab)


def as_base(network: Any, spec: Opd, recipe: Recipe, accelerator: Accelerator, vocab: int) -> Scorer:
    """A frozen float32 network as the base, such that S − B is 0 to the bit where its weights are the student's.

    Compiled, it must be what the student is in all that code is compiled for, the types of its weights included.
    """
    if not recipe.precision.compile:
        return as_teacher(network, spec, recipe, accelerator, vocab)
    prepare_for_training(network.requires_grad_(True), None, recipe)
    return ScorerAsTrained(network, spec.objective.temperature, vocab)


def check_start(questions: Sequence[Question], trainee: Trainee, frozen: FrozenModels, recipe: Recipe) -> None:
    """Raises UserError where compiled code finds a difference between the student and the base that it starts from."""
    chosen = [AnsweredPrompt(question.prompt, question.gold) for question in questions[:_GOLD_LEAST]]
    layout, worst = BatchLayout.of(recipe.precision, frozen.teacher.network), 0.0
    for _, batch in layout.batches(chosen, trainee.accelerator.device):
        assert frozen.base is not None
        doing("compiling")
        with torch.no_grad(), trainee.accelerator.autocast():
            student = log_prob_before(trainee.scorer, batch, recipe.precision)
            gap = (student - frozen.base(batch).logp)[batch.mask].abs()
        worst = max(worst, float(gap.max()))
    if worst > 0:
        cause = f"compiled, student and base differ by up to {worst:.2g} nats a token before the first step"
        raise UserError(cause, place="precision.compile", fix="precision.compile=false")


def compare_on_gold(
    questions: Sequence[Question], trainee: Trainee, frozen: FrozenModels, recipe: Recipe, most: int = _GOLD_MOST
) -> dict[str, float | int]:
    """Mean log-probability a token of the first right answers under student and teacher, in nats, for the manifest.

    `most` is how many answers a step has. Warns where the teacher's is lower beyond the 95 % interval of the paired
    difference: distillation pulls towards the teacher, wherever that leads.
    """
    chosen = [
        AnsweredPrompt(question.prompt, question.gold)
        for question in questions[: min(_GOLD_MOST, max(_GOLD_LEAST, most))]
    ]
    layout, accelerator = BatchLayout.of(recipe.precision, frozen.teacher.network), trainee.accelerator
    means: dict[str, list[float]] = {"student": [], "teacher": []}
    with torch.no_grad(), accelerator.autocast():
        for _, batch in layout.batches(chosen, accelerator.device):
            doing(f"comparing teacher and student on right answers, {len(means['teacher'])} of {len(chosen)}")
            scored = {
                "student": log_prob_before(trainee.scorer, batch, recipe.precision),
                "teacher": frozen.teacher(batch).logp,
            }
            for name, logp in scored.items():
                means[name] += (logp.sum(-1) / batch.mask.sum(-1)).tolist()
    release([trainee.scorer, *frozen])
    found = {name: sum(values) / len(values) for name, values in means.items()}
    if accelerator.is_main_process and _worse(means):
        _LOG.warning(
            "the teacher gives right answers %.3g nats a token, the student already %.3g (%d answers):"
            " distillation may make it worse; evaluate both first",
            *(found["teacher"], found["student"], len(chosen)),
        )
    return {"answers": len(chosen), **found}


def _worse(means: Mapping[str, Sequence[float]]) -> bool:
    gaps = [t - s for s, t in zip(means["student"], means["teacher"], strict=True)]
    n, mean = len(gaps), sum(gaps) / len(gaps)
    if n < 2:
        return False
    spread = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / (n - 1) / n)
    return mean + student_quantile(0.95, n - 1) * spread < 0
