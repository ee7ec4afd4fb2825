"""On-policy distillation with reward extrapolation (stage `opd`): sample, score, look, update."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from listopd.clock import keep_clock
from listopd.curve.recorded_curve import RecordedCurve, read_curve
from listopd.distillation import FrozenModels, Loss, ScoredBatch, prepare, with_lambda
from listopd.extrapolation import ExtrapolationSpec, LambdaPolicy, RolloutStats
from listopd.floor import Machine, Size, Work, machine
from listopd.journal import Journal
from listopd.optimise import learning_rate
from listopd.parallel import check_shares, gathered, is_main, make_accelerator, share
from listopd.phase import doing
from listopd.plan.fitting import check_device
from listopd.questions import Question, gold_fault, load_questions, step_count, training_task
from listopd.rollout import make_sampler
from listopd.rollout.protocol import Rollout, Sampler, seed_of
from listopd.sharding import held_bytes, release, shards_of
from listopd.step_figures import contract_figures, judge, total_of, update_figures
from listopd.three_models import ThreeModels, check_start, compare_on_gold, load_models, open_models
from listopd.threshold.positions import FREE, Positions
from listopd.tokens import Labeller, TokenClass
from listopd.trainee import Trainee
from listopd.training_loop import StepReport, TrainingLoop
from listopd.training_manifest import make_manifest

if TYPE_CHECKING:
    from accelerate import Accelerator

    from listeval.models.checkpoint import Checkpoint
    from listopd.recipe import Opd, Recipe

_LOG = logging.getLogger(__name__)


class StepContext(NamedTuple):
    """Everything that a step works with."""

    recipe: Recipe
    spec: Opd
    checkpoint: Checkpoint
    accelerator: Accelerator
    trainee: Trainee
    frozen: FrozenModels
    sampler: Sampler
    label: Labeller
    policy: LambdaPolicy
    best: Machine


def train_opd(
    recipe: Recipe, spec: Opd, out: Path, report: StepReport, *, resume: bool = False, earlier: Path | None = None
) -> Path:
    """Train and give the folder of the checkpoint; `earlier` is the training that is repeated, if one is.

    Raises UserError for whatever a user can put right; what was trained up to the last saved state is kept.
    """
    accelerator = make_accelerator(recipe, out)
    check_shares(spec.batch * spec.rollouts_per_prompt, spec.objective.minibatches, accelerator)
    doing("opening models and data")
    check_device(recipe, "opd", accelerator.device, shards_of(accelerator))
    task = training_task(recipe)
    models = open_models(spec, recipe)
    keep_clock(models.student.renderer, out if resume else earlier, accelerator)
    budget = spec.max_tokens or task.max_tokens
    questions = load_questions(task, recipe, models.student, models.max_length, budget)
    curve, extrapolation = _recorded_curve(spec, models)
    trainee, frozen = load_models(models, spec, recipe, accelerator)
    policy, best = extrapolation.build(), machine(accelerator.device)
    renderer, key = models.student.renderer, getattr(questions.kept[0].contract, "key", None)
    label = Labeller(renderer.tokenizer, key, renderer.own_marks)
    steps = step_count(spec, questions, spec.batch)
    manifest = make_manifest(recipe, spec, steps, task, questions, models._asdict(), accelerator, best)
    manifest["curve"] = curve and curve.to_dict()
    manifest["objective"]["extrapolation"] = extrapolation.model_dump(mode="json")
    answers = spec.batch * spec.rollouts_per_prompt
    manifest["weight_bytes_per_process"] = _held(trainee, frozen)
    fault = gold_fault(questions.kept[0], models.student, recipe.thinking)
    if fault is not None and is_main():
        _LOG.warning("teacher and student are not compared on right answers: %s", fault.cause)
    manifest["gold_log_prob"] = (
        compare_on_gold(questions.kept, trainee, frozen, recipe, answers) if fault is None else None
    )
    if recipe.precision.compile and spec.objective.base == "start" and frozen.base is not None:
        check_start(questions.kept, trainee, frozen, recipe)
    doing(f"starting the engine '{spec.engine}'")
    with closing(make_sampler(spec, models.student, trainee, budget, recipe)) as sampler:
        context = StepContext(recipe, spec, models.student, accelerator, trainee, frozen, sampler, label, policy, best)
        journal = Journal(out, recipe, "opd", policy)
        first = journal.begin(trainee, manifest, resume=resume)
        sampler.sync(first)
        loop = TrainingLoop(recipe, journal, accelerator, trainee, models.student, report)
        return loop.run(questions, spec.batch, first, steps, partial(_step, context=context, steps=steps))


def _recorded_curve(spec: Opd, models: ThreeModels) -> tuple[RecordedCurve | None, ExtrapolationSpec]:
    """What the recipe's target curve says, and the policy kept to it; warns of that, and of a λ beyond its midpoint."""
    if spec.curve is None:
        return None, spec.extrapolation
    curve = read_curve(spec.curve)
    scoring = {"teacher": models.teacher} | ({} if models.base is None else {"base": models.base})
    curve.check_pair({role: model.info.fingerprint for role, model in scoring.items()})
    guarded = curve.guard(spec.extrapolation)
    warning = curve.lowered(spec.extrapolation) or curve.warning(guarded.most)
    if warning is not None and is_main():
        _LOG.warning("%s", warning)
    return curve, guarded


def _held(trainee: Trainee, frozen: FrozenModels) -> dict[str, int]:
    """Of weights in this process, by role; a base that is the student's own is not counted again."""
    found = {"student": held_bytes(trainee.network), "teacher": held_bytes(frozen.teacher.network)}
    if frozen.base is not None and frozen.base.network is not trainee.network:
        found["base"] = held_bytes(frozen.base.network)
    return found


def _step(batch: Sequence[Question], step: int, *, context: StepContext, steps: int) -> dict[str, Any]:
    recipe, spec, accelerator = context.recipe, context.spec, context.accelerator
    started = time.perf_counter()
    copies = [(question, copy) for question in batch for copy in range(spec.rollouts_per_prompt)]
    mine = share(copies, accelerator)
    doing(f"step {step + 1}/{steps}: sampling {len(mine)} answers")
    seeds = [seed_of(recipe.seed, step, question.key, copy) for question, copy in mine]
    rollouts = context.sampler.sample([question for question, _ in mine], seeds)
    sampled = time.perf_counter()
    counts = total_of(gathered(judge(rollouts, context.checkpoint.renderer, context.checkpoint.stops), accelerator))
    doing(f"step {step + 1}/{steps}: scoring {len(mine)} answers")
    minibatches = _prepare(context, rollouts)
    everything = [part for minibatch in minibatches for part in minibatch]
    prompts = {question.key: question.prompt for question, _ in mine}
    positions = _positions(context, everything, prompts)
    context.policy.step(RolloutStats(counts["ok"], len(copies), positions, spec.rollouts_per_prompt))
    minibatches = [with_lambda(minibatch, context.policy) for minibatch in minibatches]
    scored = time.perf_counter()
    doing(f"step {step + 1}/{steps}: updating the student")
    figures = _update(context, minibatches, learning_rate(spec.optimiser, step, steps), step)
    release([context.trainee.scorer, *context.frozen])
    context.sampler.sync(step + 1)
    seconds = time.perf_counter() - started
    return {
        **contract_figures(counts, len(copies)),
        **figures,
        **context.policy.describe(),
        "seconds": seconds,
        "seconds_sampling": sampled - started,
        "seconds_scoring": scored - sampled,
        **_pace(context, rollouts, seconds),
    }


def _prepare(context: StepContext, rollouts: Sequence[Rollout]) -> list[list[ScoredBatch]]:
    """The scored passes of each minibatch, under the numerics of the update: S − B is 0 where S is B."""
    spec, size = context.spec.objective, len(rollouts) // context.spec.objective.minibatches
    parts = [rollouts[start : start + size] for start in range(0, len(rollouts), size)]
    precision, student = context.recipe.precision, context.trainee.scorer

    def most(passes: int) -> int:
        return max(gathered(passes, context.accelerator))

    with context.accelerator.autocast():
        return [prepare(part, context.frozen, student, context.label, spec, precision, most) for part in parts]


def _pace(context: StepContext, rollouts: Sequence[Rollout], seconds: float) -> dict[str, float]:
    """How long answers are, tokens a second over all processes, and the step as a multiple of its floor here."""
    work = Work.of(
        [rollout.answered for rollout in rollouts],
        context.spec.objective.epochs,
        context.recipe.precision.gradient_checkpointing,
    )
    frozen = [Size.of(scorer.network) for scorer in context.frozen if scorer is not None]
    floor = work.floor_seconds(Size.of(context.trainee.network), frozen, context.best, rollouts=True)
    works = gathered(work, context.accelerator)
    answers, sequences = sum(w.answer_tokens for w in works), sum(w.sequences for w in works)
    return {
        "answer_tokens": answers / sequences,
        "tokens_per_s": (answers + sum(w.prompt_tokens for w in works)) / seconds,
        "times_floor": seconds / floor,
    }


def _update(
    context: StepContext, minibatches: Sequence[Sequence[ScoredBatch]], rate: float, step: int
) -> dict[str, Any]:
    """All optimiser steps on one batch of rollouts, one a minibatch and epoch; figures are means over them."""
    spec, trainee = context.spec.objective, context.trainee
    sums: Counter[str] = Counter()
    losses, norms, largest = [], [], 0.0
    for _ in range(spec.epochs):
        for minibatch in minibatches:
            count = _denominator(context, minibatch)
            loss = Loss(spec, context.frozen, trainee.scorer, trainee.head, count)
            update = trainee.update(minibatch, loss, rate, step)
            losses.append(update.loss)
            norms.append(update.grad_norm)
            sums.update(loss.sums)
            largest = max(largest, loss.largest_weight)
    everyone = gathered((sums, largest), context.accelerator)
    weight = {} if spec.full_vocabulary else {"weight_max": max(largest for _, largest in everyone)}
    return {
        **update_figures(total_of([sums for sums, _ in everyone])),
        **weight,
        "loss": sum(losses) / len(losses),
        "grad_norm": sum(norms) / len(norms),
        "lr": rate,
    }


def _denominator(context: StepContext, part: Sequence[ScoredBatch]) -> float:
    if context.spec.objective.aggregate == "token_mean":
        return sum(gathered(sum(int(p.batch.mask.sum()) for p in part), context.accelerator))
    return sum(gathered(sum(int(p.batch.mask.any(-1).sum()) for p in part), context.accelerator))


def _positions(
    context: StepContext, found: Sequence[ScoredBatch], prompts: Mapping[int, Sequence[int]] | None = None
) -> Positions | None:
    """Teacher's and base's probability of the teacher's modal token, wherever that token is scaffold.

    Also where the rollout wrote something else: such places are where the base is least sure. `prompts` are token ids
    by the question's place in the data: one may begin a thought.
    """
    if not (context.spec.extrapolation.needs_positions and context.spec.needs_base):
        return None
    rows, steps = [], []
    for part in found:
        assert part.base is not None, "extrapolation without a base is refused by the recipe"
        mask = part.batch.mask
        columns = (part.keys.expand_as(mask), part.teacher.scores.top, part.base.scores.other.exp())
        rows.append(torch.stack([x[mask].double() for x in columns]).cpu().numpy())
        asked = [(prompts or {}).get(key, ()) for key in part.keys[:, 0].tolist()]
        for prompt, answer, mode, kept in zip(asked, part.batch.answers, part.teacher.scores.mode, mask, strict=True):
            steps += context.label.instead(answer[kept].tolist(), mode[kept].tolist(), prompt)
    everyone = gathered((np.concatenate(rows, axis=1), steps), context.accelerator)
    keys, p, b = np.concatenate([columns for columns, _ in everyone], axis=1)
    labels = [label for _, theirs in everyone for label in theirs]
    scaffold = np.array([label.kind.is_scaffold for label in labels], dtype=np.bool_)
    # Which item comes next is free, so a base that is surer of one id breaks nothing: ids are no steps of the format.
    kinds = [f"{label.kind} {label.item}" if label.kind is not TokenClass.ID else FREE for label in labels]
    return Positions.of(keys, p.clip(0, 1), b.clip(0, 1), kinds).keep(scaffold)
