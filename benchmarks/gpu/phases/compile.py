"""Decoder layers compiled one by one (they share their code): what a step of the student gains, and what it changes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from benchmarks.gpu.bench import graphs_only, make_recipe, real_questions
from benchmarks.gpu.job import Job, wait
from benchmarks.gpu.networks import QWEN3_1_7B, TINY_STUDENT, random_network, synthetic
from listopd.batch import Batch, pad
from listopd.networks import compile_layers
from listopd.parallel import make_accelerator
from listopd.trainee import Trainee

ROUNDS = 3


def run(job: Job) -> None:
    """The same weights and passes before and after; the compiled one's first step is the compilation."""
    with job.case("layers") as found:
        recipe = make_recipe(job, "bfloat16")
        assert recipe.opd is not None
        shape = job.pick(QWEN3_1_7B, TINY_STUDENT)
        network = random_network(shape, job.device, seed=0, frozen=False)
        trainee = Trainee(network, recipe.opd.optimiser, make_accelerator(recipe, job.folder), vocab=shape.vocab)
        batch = passes(job, recipe)
        before = log_probs(trainee, batch)
        step(job, trainee, [batch])
        found["seconds_eager"] = min(step(job, trainee, [batch] * 2) for _ in range(ROUNDS))
        eager = log_probs(trainee, batch)
        if job.rehearse:
            graphs_only()
        compile_layers(network)
        found["compile_s"] = step(job, trainee, [batch])
        found["seconds_compiled"] = min(step(job, trainee, [batch] * 2) for _ in range(ROUNDS))
        found["speed_up"] = found["seconds_eager"] / found["seconds_compiled"]
        found |= compare(job, trainee, network, batch)
        found["moved"] = float((eager - before).abs().max())


def passes(job: Job, recipe: Any) -> Batch:
    """One padded pass of about 8,192 tokens."""
    count, prompt, answer = job.pick((6, 1200, 200), (2, 24, 8))
    rollouts = synthetic(real_questions(recipe)[0], count, prompt, answer, 1024)
    return pad([rollout.answered for rollout in rollouts], job.device)


def step(job: Job, trainee: Trainee, batches: Sequence[Batch]) -> float:
    """Seconds of one update on the answers' log-likelihood."""
    tokens = sum(int(batch.mask.sum()) for batch in batches)
    started = wait(job.device)
    trainee.update(batches, partial(_loss, trainee, tokens), 1e-6, 0)
    return wait(job.device) - started


def compare(job: Job, trainee: Trainee, network: Any, batch: Batch) -> dict[str, float]:
    """Log-probabilities of the same weights, compiled and not."""
    compiled = log_probs(trainee, batch)
    for layer in network.model.layers:
        layer._compiled_call_impl = None
    plain = log_probs(trainee, batch)
    gap = (compiled - plain).abs()
    return {"largest_difference": float(gap.max()), "mean_difference": float(gap.mean())}


def log_probs(trainee: Trainee, batch: Batch) -> torch.Tensor:
    """Of the answers' tokens."""
    with torch.no_grad(), trainee.accelerator.autocast():
        found: torch.Tensor = trainee.scorer(batch).logp[batch.mask].float()
    return found


def _loss(trainee: Trainee, tokens: int, batch: Batch, counted: bool) -> torch.Tensor:
    scores = trainee.scorer(batch)
    return -(scores.logp * batch.mask).sum() / tokens
