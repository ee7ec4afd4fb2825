"""On-policy distillation with reward extrapolation (stage `opd`): sample, score, look, update."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from listopd.curve.foretold import Foretold, read_curve
from listopd.distillation import Frozen, Loss, Pass, prepare, with_lambda
from listopd.extrapolation import ExtrapolationSpec, LambdaPolicy, RolloutStats
from listopd.floor import Machine, Size, Work, machine
from listopd.journal import Journal
from listopd.optimise import learning_rate
from listopd.parallel import check_shares, gathered, is_main, make_accelerator, share
from listopd.phase import doing
from listopd.questions import Question, load_questions, training_task
from listopd.rollout import make_sampler
from listopd.rollout.protocol import Rollout, Sampler, seed_of
from listopd.step_figures import contract_figures, judge, total_of, update_figures
from listopd.threshold.positions import FREE, Positions
from listopd.tokens import Labeller, TokenClass
from listopd.train import Report
from listopd.trainee import Trainee
from listopd.training_loop import Session, step_count
from listopd.training_manifest import make_manifest
from listopd.trio import Trio, compare_on_gold, load_trio, open_trio

if TYPE_CHECKING:
    from accelerate import Accelerator

    from listeval.models.checkpoint import Checkpoint
    from listopd.recipe import Opd, Recipe

_LOG = logging.getLogger(__name__)


class Crew(NamedTuple):
    """Everything that a step works with."""

    recipe: Recipe
    spec: Opd
    checkpoint: Checkpoint
    accelerator: Accelerator
    trainee: Trainee
    frozen: Frozen
    sampler: Sampler
    label: Labeller
    policy: LambdaPolicy
    best: Machine


def train_opd(recipe: Recipe, spec: Opd, out: Path, report: Report, *, resume: bool = False) -> Path:
    """Train and give the folder of the checkpoint.

    Raises UserError for whatever a user can put right; what was trained up to the last saved state is kept.
    """
    accelerator = make_accelerator(recipe, out)
    check_shares(spec.batch * spec.rollouts_per_prompt, spec.objective.minibatches, accelerator)
    doing("opening models and data")
    task = training_task(recipe)
    trio = open_trio(spec, recipe)
    budget = spec.max_tokens or task.max_tokens
    questions = load_questions(task, recipe, trio.student, trio.max_length, budget)
    foretold, extrapolation = _foretold(spec, trio)
    trainee, frozen = load_trio(trio, spec, recipe, accelerator)
    policy, best = extrapolation.build(), machine(accelerator.device)
    label = Labeller(trio.student.renderer.tokenizer, getattr(questions.kept[0].contract, "key", None))
    steps = step_count(spec, questions, spec.batch)
    manifest = make_manifest(recipe, spec, steps, task, questions, trio._asdict(), accelerator, best)
    manifest["curve"] = foretold and foretold.to_dict()
    answers = spec.batch * spec.rollouts_per_prompt
    manifest["gold_log_prob"] = compare_on_gold(questions.kept, trainee, frozen, recipe, answers)
    doing(f"starting the engine '{spec.engine}'")
    with closing(make_sampler(spec, trio.student, trainee, budget, recipe)) as sampler:
        crew = Crew(recipe, spec, trio.student, accelerator, trainee, frozen, sampler, label, policy, best)
        journal = Journal(out, recipe, "opd", policy)
        first = journal.begin(accelerator, manifest, resume=resume)
        sampler.sync(first)
        session = Session(recipe, journal, accelerator, trainee, trio.student, report)
        return session.run(questions, spec.batch, first, steps, partial(_step, crew=crew, steps=steps))


def _foretold(spec: Opd, trio: Trio) -> tuple[Foretold | None, ExtrapolationSpec]:
    """What the recipe's target curve says, and the policy kept to it; warns of a λ beyond the curve's midpoint."""
    if spec.curve is None:
        return None, spec.extrapolation
    found = read_curve(spec.curve)
    models = {"teacher": trio.teacher} | ({} if trio.base is None else {"base": trio.base})
    found.check_pair({role: model.info.fingerprint for role, model in models.items()})
    kept = found.guard(spec.extrapolation)
    warning = found.warning(kept.most)
    if warning is not None and is_main():
        _LOG.warning("%s", warning)
    return found, kept


def _step(batch: Sequence[Question], step: int, *, crew: Crew, steps: int) -> dict[str, Any]:
    recipe, spec, accelerator = crew.recipe, crew.spec, crew.accelerator
    started = time.perf_counter()
    copies = [(question, copy) for question in batch for copy in range(spec.rollouts_per_prompt)]
    mine = share(copies, accelerator)
    doing(f"step {step + 1}/{steps}: sampling {len(mine)} answers")
    seeds = [seed_of(recipe.seed, step, question.key, copy) for question, copy in mine]
    rollouts = crew.sampler.sample([question for question, _ in mine], seeds)
    sampled = time.perf_counter()
    counts = total_of(gathered(judge(rollouts, crew.checkpoint.renderer, crew.checkpoint.stops), accelerator))
    doing(f"step {step + 1}/{steps}: scoring {len(mine)} answers")
    found = _prepare(crew, rollouts)
    everything = [part for minibatch in found for part in minibatch]
    crew.policy.step(RolloutStats(counts["ok"], len(copies), _positions(crew, everything)))
    found = [with_lambda(minibatch, crew.policy) for minibatch in found]
    scored = time.perf_counter()
    doing(f"step {step + 1}/{steps}: updating the student")
    figures = _update(crew, found, learning_rate(spec.optimiser, step, steps), step)
    crew.sampler.sync(step + 1)
    seconds = time.perf_counter() - started
    return {
        **contract_figures(counts, len(copies)),
        **figures,
        **crew.policy.describe(),
        "seconds": seconds,
        "seconds_sampling": sampled - started,
        "seconds_scoring": scored - sampled,
        **_pace(crew, rollouts, seconds),
    }


def _prepare(crew: Crew, rollouts: Sequence[Rollout]) -> list[list[Pass]]:
    """The scored passes of each minibatch, under the numerics of the update: S − B is 0 where S is B."""
    spec, size = crew.spec.objective, len(rollouts) // crew.spec.objective.minibatches
    parts = [rollouts[start : start + size] for start in range(0, len(rollouts), size)]
    precision, student = crew.recipe.precision, crew.trainee.scorer

    def most(passes: int) -> int:
        return max(gathered(passes, crew.accelerator))

    with crew.accelerator.autocast():
        return [prepare(part, crew.frozen, student, crew.label, spec, precision, most) for part in parts]


def _pace(crew: Crew, rollouts: Sequence[Rollout], seconds: float) -> dict[str, float]:
    """How long answers are, tokens a second over all processes, and the step as a multiple of its floor here."""
    work = Work.of(
        [rollout.answered for rollout in rollouts],
        crew.spec.objective.epochs,
        crew.recipe.precision.gradient_checkpointing,
    )
    frozen = [Size.of(scorer.network) for scorer in crew.frozen if scorer is not None]
    floor = work.floor_seconds(Size.of(crew.trainee.network), frozen, crew.best, rollouts=True)
    works = gathered(work, crew.accelerator)
    answers, sequences = sum(w.answer_tokens for w in works), sum(w.sequences for w in works)
    return {
        "answer_tokens": answers / sequences,
        "tokens_per_s": (answers + sum(w.prompt_tokens for w in works)) / seconds,
        "times_floor": seconds / floor,
    }


def _update(crew: Crew, found: Sequence[Sequence[Pass]], rate: float, step: int) -> dict[str, Any]:
    """All optimiser steps on one batch of rollouts, one a minibatch and epoch; figures are means over them."""
    spec = crew.spec.objective
    sums: Counter[str] = Counter()
    losses, norms, largest = [], [], 0.0
    for _ in range(spec.epochs):
        for minibatch in found:
            loss = Loss(spec, crew.frozen, crew.trainee.scorer, crew.trainee.head, _denominator(crew, minibatch))
            update = crew.trainee.update(minibatch, loss, rate, step)
            losses.append(update.loss)
            norms.append(update.grad_norm)
            sums.update(loss.sums)
            largest = max(largest, loss.largest_weight)
    everyone = gathered((sums, largest), crew.accelerator)
    weight = {} if spec.full_vocabulary else {"weight_max": max(largest for _, largest in everyone)}
    return {
        **update_figures(total_of([sums for sums, _ in everyone])),
        **weight,
        "loss": sum(losses) / len(losses),
        "grad_norm": sum(norms) / len(norms),
        "lr": rate,
    }


def _denominator(crew: Crew, part: Sequence[Pass]) -> float:
    if crew.spec.objective.aggregate == "token_mean":
        return sum(gathered(sum(int(p.batch.mask.sum()) for p in part), crew.accelerator))
    return sum(gathered(sum(int(p.batch.mask.any(-1).sum()) for p in part), crew.accelerator))


def _positions(crew: Crew, found: Sequence[Pass]) -> Positions | None:
    """Teacher's and base's probability of the teacher's modal token, wherever that token is scaffold.

    Also where the rollout wrote something else: such places are where the base is least sure.
    """
    if not (crew.spec.extrapolation.needs_positions and crew.spec.needs_base):
        return None
    rows, steps = [], []
    for part in found:
        assert part.base is not None, "extrapolation without a base is refused by the recipe"
        mask = part.batch.mask
        columns = (part.keys.expand_as(mask), part.teacher.scores.top, part.base.scores.other.exp())
        rows.append(torch.stack([x[mask].double() for x in columns]).cpu().numpy())
        for answer, mode, kept in zip(part.batch.answers, part.teacher.scores.mode, mask, strict=True):
            steps += crew.label.instead(answer[kept].tolist(), mode[kept].tolist())
    everyone = gathered((np.concatenate(rows, axis=1), steps), crew.accelerator)
    keys, p, b = np.concatenate([columns for columns, _ in everyone], axis=1)
    labels = [label for _, theirs in everyone for label in theirs]
    scaffold = np.array([label.kind.is_scaffold for label in labels], dtype=np.bool_)
    # Which item comes next is free, so a base that is surer of one id breaks nothing: ids are no steps of the format.
    kinds = [f"{label.kind} {label.item}" if label.kind is not TokenClass.ID else FREE for label in labels]
    return Positions.of(keys, p.clip(0, 1), b.clip(0, 1), kinds).keep(scaffold)
