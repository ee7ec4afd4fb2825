"""Warm start: supervised training on right answers, loss on the answer's tokens only (stage `sft`)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from listopd.batch import AnsweredPrompt, Batch, BatchLayout
from listopd.clock import keep_clock
from listopd.floor import Machine, Size, Work, machine
from listopd.journal import Journal
from listopd.optimise import learning_rate
from listopd.parallel import check_shares, make_accelerator, share
from listopd.phase import doing
from listopd.plan.fitting import check_device
from listopd.questions import Question, load_questions, step_count, training_task
from listopd.score import Scorer, check_scorer
from listopd.sharding import shards_of
from listopd.start import prepare_for_training, start
from listopd.trainee import Trainee
from listopd.training_loop import StepReport, TrainingLoop
from listopd.training_manifest import make_manifest

if TYPE_CHECKING:
    from listopd.recipe import Recipe, Sft


def train_sft(
    recipe: Recipe, spec: Sft, out: Path, report: StepReport, *, resume: bool = False, earlier: Path | None = None
) -> Path:
    """Train and give the folder of the checkpoint; `earlier` is the training that is repeated, if one is.

    Raises UserError for whatever a user can put right; what was trained up to the last saved state is kept.
    """
    accelerator = make_accelerator(recipe, out)
    check_shares(spec.batch, 1, accelerator)
    doing("opening model and data")
    check_device(recipe, "sft", accelerator.device, shards_of(accelerator))
    task = training_task(recipe)
    checkpoint, network = start(spec.model, task, recipe, accelerator.device)
    keep_clock(checkpoint.renderer, out if resume else earlier, accelerator)
    questions = load_questions(task, recipe, checkpoint, checkpoint.info.max_length)
    layout = BatchLayout.of(recipe.precision, network)
    vocab = len(checkpoint.renderer.tokenizer)
    with accelerator.autocast():
        check_scorer(Scorer(network, vocab=vocab), layout, accelerator.mixed_precision, checkpoint.info.name)
    prepare_for_training(network, spec.lora, recipe)
    trainee = Trainee(network, spec.optimiser, accelerator, vocab=vocab)
    steps, best = step_count(spec, questions, spec.batch), machine(accelerator.device)
    journal = Journal(out, recipe, "sft")
    models = {"start": checkpoint}
    manifest = make_manifest(recipe, spec, steps, task, questions, models, accelerator, best)
    first = journal.begin(trainee, manifest, resume=resume)
    step = partial(_step, trainee=trainee, layout=layout, recipe=recipe, spec=spec, steps=steps, best=best)
    loop = TrainingLoop(recipe, journal, accelerator, trainee, checkpoint, report)
    return loop.run(questions, spec.batch, first, steps, step)


def _step(
    batch: Sequence[Question],
    step: int,
    *,
    trainee: Trainee,
    layout: BatchLayout,
    recipe: Recipe,
    spec: Sft,
    steps: int,
    best: Machine,
) -> dict[str, Any]:
    started = time.perf_counter()
    tokens = sum(len(question.gold) for question in batch)
    mine = [AnsweredPrompt(q.prompt, q.gold) for q in share(batch, trainee.accelerator)]
    groups = [group for _, group in layout.batches(mine, trainee.accelerator.device)]
    doing(f"step {step + 1}/{steps}")
    rate = learning_rate(spec.optimiser, step, steps)
    update = trainee.update(groups, partial(_loss, trainee, tokens), rate, step)
    seconds = time.perf_counter() - started
    read = sum(len(question.prompt) for question in batch)
    work = Work.of(mine, 1, recipe.precision.gradient_checkpointing)
    return {
        "loss": update.loss,
        "grad_norm": update.grad_norm,
        "lr": rate,
        "seconds": seconds,
        "tokens_per_s": (read + tokens) / seconds,
        "times_floor": seconds / work.floor_seconds(Size.of(trainee.network), [], best, rollouts=False),
    }


def _loss(trainee: Trainee, tokens: int, batch: Batch, counted: bool) -> torch.Tensor:
    """This pass' part of the mean negative log-likelihood of an answer token, over the global batch."""
    scores = trainee.scorer(batch)
    return -(scores.logp * batch.mask).sum() / tokens
