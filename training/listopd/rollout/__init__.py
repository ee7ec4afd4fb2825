"""Answers of the current policy: who writes them, and what is kept of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from listopd.rollout.hf import HFSampler
from listopd.rollout.protocol import Rollout, Sampler, seed_of

if TYPE_CHECKING:
    from listeval.models.checkpoint import Checkpoint
    from listopd.recipe import Opd, Recipe
    from listopd.trainee import Trainee

__all__ = ["HFSampler", "Rollout", "Sampler", "make_sampler", "seed_of"]


def make_sampler(spec: Opd, student: Checkpoint, trainee: Trainee, budget: int, recipe: Recipe) -> Sampler:
    """The recipe's rollout engine; `auto` is vLLM where one process trains on a GPU and vLLM is installed.

    Raises UserError where the engine that the recipe names cannot be had.
    """
    from listopd.rollout import vllm

    engine = spec.engine
    if engine == "auto":
        alone = trainee.accelerator.num_processes == 1
        engine = "vllm" if alone and trainee.network.device.type == "cuda" and vllm.available() else "hf"
    chosen = vllm.VLLMSampler if engine == "vllm" else HFSampler
    return chosen(trainee, student, budget, spec.objective.temperature, recipe)
