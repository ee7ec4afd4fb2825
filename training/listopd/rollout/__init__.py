"""Answers of the current policy: who writes them, and what is kept of them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from listopd.rollout.hf import HFSampler
from listopd.rollout.protocol import Rollout, Sampler, seed_of

if TYPE_CHECKING:
    from listeval.models.checkpoint import Checkpoint
    from listopd.recipe import Opd, Recipe
    from listopd.trainee import Trainee

_LOG = logging.getLogger(__name__)
_FALLBACK = (
    "vLLM is not installed, so transformers' generate writes the answers, which is slower:"
    " pip install 'listeval[vllm]', or opd.engine=hf to choose it without this line"
)

__all__ = ["HFSampler", "Rollout", "Sampler", "make_sampler", "seed_of"]


def make_sampler(spec: Opd, student: Checkpoint, trainee: Trainee, budget: int, recipe: Recipe) -> Sampler:
    """The recipe's rollout engine; `auto` is vLLM on a GPU, one engine a process, where vLLM is installed.

    Says so where `auto` has to do without it. Raises UserError where the engine that the recipe names cannot be had.
    """
    from listopd.rollout import vllm

    engine = spec.engine
    if engine == "auto":
        on_gpu = trainee.accelerator.device.type == "cuda"
        engine = "vllm" if on_gpu and vllm.available() else "hf"
        if on_gpu and engine == "hf" and trainee.accelerator.is_main_process:
            _LOG.warning("%s", _FALLBACK)
    chosen = vllm.VLLMSampler if engine == "vllm" else HFSampler
    return chosen(trainee, student, budget, spec.objective.temperature, recipe)
