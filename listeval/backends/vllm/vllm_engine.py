"""vLLM in this process: the engine's own add/step loop, so completions arrive as they finish.

On a GPU vLLM runs its engine in a process of its own, as it likes to. On a CPU build it runs
inside ours: it starts in half the time, a script needs no `__main__` guard, and no worker can
die apart from us; `VLLM_ENABLE_V1_MULTIPROCESSING=1` asks for the other. An in-process engine
cannot be started twice in one process, which is refused. Requests carry our token ids and
every stop token of the model; text is decoded by our renderer, so both local backends agree.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple, Self

from pydantic import ValidationError

from listeval.backends.protocol import BackendOptions, Capabilities, Completion, Request
from listeval.backends.vllm.lora import LoraRequests, lora_arguments
from listeval.backends.vllm.quiet import EngineLog, check_installed, opened_log, restore
from listeval.backends.vllm.vllm_constraint import VLLMConstraint, together
from listeval.backends.vllm_plugin import register
from listeval.decoding.constraint import PACKAGES, Constraint, require
from listeval.errors import UserError, first_line
from listeval.models.adapter import Adapter
from listeval.models.channels import split_decoded
from listeval.models.checkpoint import (
    Checkpoint,
    open_checkpoint,
    package_versions,
    refusal,
    refuse_unused,
)
from listeval.models.quantized import of_folder

CEILING = 8192
"""Default bound on prompt plus answer: the KV cache must hold one such sequence, and some models ask for 128k."""
KV_SPACE, KV_GIB = "VLLM_CPU_KVCACHE_SPACE", "2"
_SEQUENCES = {"cpu": 64}
_BATCHED_TOKENS = 4096
_MULTIPROCESS = "VLLM_ENABLE_V1_MULTIPROCESSING"
_WATCH_S = 0.5
_opened_in_process = False


class StartedEngine(NamedTuple):
    """What `generate` needs of vLLM, and what it was started with."""

    core: Any
    log: EngineLog
    arguments: Mapping[str, Any]
    device: str
    in_process: bool


def open(model: str, options: BackendOptions) -> VLLMBackend:
    """Start an engine for `model`. `options.extra` goes to `vllm.LLM` (tensor_parallel_size, ...).

    Defaults: float32 on a CPU, the checkpoint's dtype on a GPU; 64 sequences at a time on a
    CPU, 256 on a GPU (`batch_size`); prompt plus answer at most 8192 tokens; on a CPU 2 GiB of
    KV cache (VLLM_CPU_KVCACHE_SPACE). At most max(2 x batch_size, concurrency) requests are in
    flight. Raises UserError for whatever keeps the engine from starting.
    """
    check_installed()
    refuse_unused(options, "vllm", ("base_url", "structured", "api_key_env", "ray_address"))
    in_flight = options.fixed_concurrency("vllm")
    checkpoint = open_checkpoint(model, options, CEILING)
    wanted = [adapter for adapter in (options.adapter, *options.adapters) if adapter is not None]
    for adapter in wanted:
        checkpoint.with_adapter(adapter)  # which refuses one of another model before anything is loaded
    constraints, extra = together((options.constraint, *options.constraints), checkpoint)
    engine = _start(checkpoint, replace(options, extra={**extra, **lora_arguments(wanted), **options.extra}))
    backend = VLLMBackend(checkpoint, engine, in_flight, options.constraint, constraints)
    try:
        if not backend.adapt(options.adapter):
            rank = max(adapter.rank for adapter in wanted)
            raise UserError(f"an adapter has rank {rank}", place="--engine-arg max_lora_rank", fix="leave that out")
    except BaseException:
        backend.close()
        raise
    return backend


class VLLMBackend:
    """A running engine. Only one thread may generate; another may call `close`."""

    name = "vllm"
    capabilities = Capabilities(token_prompts=True, logprobs=True)

    def __init__(
        self,
        checkpoint: Checkpoint,
        engine: StartedEngine,
        concurrency: int | None,
        constraint: Constraint | None = None,
        constraints: Mapping[Constraint, VLLMConstraint] | None = None,
    ) -> None:
        self.model, self.renderer = checkpoint.info, checkpoint.renderer
        self._stops, self._vocab = checkpoint.stops, checkpoint.vocab_size
        self.engine, self._constraints, self._checkpoint = engine, dict(constraints or {}), checkpoint
        self._constraint = None if constraint is None else self._constraints[constraint]
        self._adapters = LoraRequests(engine.core)
        self._in_flight = max(2 * int(engine.arguments["max_num_seqs"]), concurrency or 0)
        self._stop = threading.Event()
        self._ids = 0
        threading.Thread(target=_watch, args=(engine.core.engine_core, self._stop), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def constrain(self, constraint: Constraint | None) -> bool:
        """Hold what is generated from now on to `constraint`, if the engine was started for it.

        Raises UserError where its package is missing, which another start would not mend.
        """
        if constraint is not None and constraint not in self._constraints:
            require(constraint.engine)
            return False
        self._constraint = None if constraint is None else self._constraints[constraint]
        return True

    def adapt(self, adapter: Adapter | None) -> bool:
        """Compute with `adapter` from now on, or with the base alone; False where the engine has no room for it."""
        info = self._checkpoint.with_adapter(adapter)
        rank = int(self.engine.arguments.get("max_lora_rank", 0))
        if adapter is not None and rank < adapter.rank:
            return False
        with self.engine.log.capture():
            self._adapters.use(adapter)
        self.model = info
        return True

    def versions(self) -> Mapping[str, str]:
        """Versions of the packages that compute; vLLM's own word for itself, as its CPU build has another name."""
        import vllm

        packages = ["torch", "transformers", "tokenizers"]
        if self._constraint is not None and (name := PACKAGES.get(self._constraint.constraint.engine)):
            packages.append(name)
        return {"vllm": str(vllm.__version__), **package_versions(*packages)}

    def settings(self) -> Mapping[str, object]:
        """What shapes the numerics and the speed."""
        kept = {k: v for k, v in self.engine.arguments.items() if k not in ("model", "tokenizer")}
        return {
            **{k: v if isinstance(v, str | int | float | bool | None) else repr(v) for k, v in kept.items()},
            **({"quantization_config": found} if (found := of_folder(self._checkpoint.path)) else {}),
            "device": self.engine.device,
            "in_process": self.engine.in_process,
            "in_flight": self._in_flight,
            "stop_token_ids": list(self._stops),
            "constraint": self._constraint and self._constraint.settings(),
        }

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """One completion per request as it finishes; ends early, without a completion for what is left, on `close`.

        Raises UserError when the engine dies; requests without a completion are owed to the next run.
        """
        pending, flight = iter(requests), dict[str, tuple[Request, float]]()
        more = True
        try:
            while not self._stop.is_set() and (more or flight):
                while more and len(flight) < self._in_flight:
                    if (request := next(pending, None)) is None:
                        more = False
                    elif why := self._submit(request, flight):
                        yield Completion.failed(request, why)
                for output in self.step() if flight else ():
                    if output.finished and output.request_id in flight:
                        request, started = flight.pop(output.request_id)
                        completion = self._completion(request, output.outputs[0], time.perf_counter() - started)
                        masked = self._constraint.masked(output.request_id) if self._constraint else None
                        yield completion._replace(masked=masked)
        finally:
            if flight:
                self._abort(list(flight))

    def score(self, token_ids: Sequence[Sequence[int]]) -> list[list[float]]:
        """Log-probability of every token but the first, from vLLM's prompt log-probabilities (of raw logits).

        Raises UserError for a sequence that leaves no room for the one token vLLM must generate.
        """
        from vllm import SamplingParams

        longest = max(map(len, token_ids), default=0)
        if self.model.max_length is not None and longest >= self.model.max_length:
            raise UserError(
                f"a sequence has {longest} tokens, this engine scores less than {self.model.max_length}",
                fix="raise --max-model-len",
            )
        params = SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0, detokenize=False)
        waiting = {self.add(ids, params): i for i, ids in enumerate(token_ids) if len(ids) > 1}
        scores: list[list[float]] = [[] for _ in token_ids]
        while waiting:
            for output in self.step():
                if output.finished:
                    i = waiting.pop(output.request_id)
                    pairs = zip(token_ids[i][1:], output.prompt_logprobs[1:], strict=True)
                    scores[i] = [float(at[token].logprob) for token, at in pairs]
        return scores

    def close(self) -> None:
        """Stop between two steps and shut the engine down."""
        if self._stop.is_set():
            return
        self._stop.set()
        with suppress(Exception), self.engine.log.capture():
            self.engine.core.engine_core.shutdown()
        self.engine.log.close()
        for constraint in self._constraints.values():
            constraint.close()

    def _submit(self, request: Request, flight: dict[str, tuple[Request, float]]) -> str | None:
        """Hand a request over; the reason where the engine does not take it."""
        if why := refusal(request.prompt, self.model.max_length, self._vocab):
            return why
        try:
            request_id = self.add(request.prompt.token_ids, self._params(request))
        except _refusals() as error:
            return first_line(error)
        flight[request_id] = request, time.perf_counter()
        return None

    def add(self, token_ids: Sequence[int], params: Any) -> str:
        """Queue one prompt under vLLM's own `SamplingParams`; gives the id that its outputs carry."""
        from vllm import TokensPrompt

        # Ours, never the request's key: vLLM keeps ids of one engine apart, keys may repeat between two calls.
        self._ids += 1
        request_id = str(self._ids)
        prompt = TokensPrompt(prompt_token_ids=list(token_ids))
        self.engine.core.add_request(request_id, prompt, params, lora_request=self._adapters.current)
        return request_id

    def _params(self, request: Request) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        sampling = request.sampling
        # The id that `add` is about to give.
        tag = str(self._ids + 1)
        constraint = self._constraint.parameters(request.contract, tag) if self._constraint else {}
        return SamplingParams(
            temperature=sampling.temperature,
            top_p=1.0 if sampling.greedy else sampling.top_p,
            seed=None if sampling.greedy else request.seed,
            max_tokens=sampling.max_tokens,
            stop_token_ids=list(self._stops),
            skip_special_tokens=True,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
            **constraint,
        )

    def step(self) -> list[Any]:
        """vLLM's outputs of one pass over what is queued. Raises UserError when the engine dies."""
        try:
            outputs: list[Any] = self.engine.core.step()
        except Exception as error:  # vLLM's own dead-engine errors have moved between modules; any error here is one
            silent = "its process ended without a word (killed, or out of memory)"
            told = silent if type(error).__name__ == "EngineDeadError" else first_line(error)
            raise UserError(
                f"the vLLM engine died: {self.engine.log.cause() or told}",
                place=str(self.engine.log.saved or "vllm"),
                fix="run the same command again, it runs only what is owed; or use --backend hf",
            ) from error
        return outputs

    def _abort(self, request_ids: list[str]) -> None:
        with suppress(Exception):  # a dead engine has nothing left to abort
            self.engine.core.abort_request(request_ids)

    def _completion(self, request: Request, output: Any, seconds: float) -> Completion:
        if output.finish_reason not in ("stop", "length"):
            return Completion.failed(request, f"vLLM ended the request with '{output.finish_reason}'", seconds)
        ids = tuple(output.token_ids)
        ended = output.finish_reason == "stop" and bool(ids) and ids[-1] in self._stops
        kept = ids[:-1] if ended else ids
        reasoning, answer = split_decoded(self.renderer, kept, request.prompt.text)
        return Completion(
            key=request.key,
            text=answer,
            finish_reason=output.finish_reason,
            n_tokens=len(ids),
            n_prompt_tokens=len(request.prompt.token_ids),
            token_ids=kept,
            reasoning=reasoning,
            latency_s=seconds,
        )


def _refusals() -> tuple[type[Exception], ...]:
    """What is raised for one request alone: by us for a contract that the constraint cannot take, and by vLLM for
    what it does not take, since 0.31 no ValueError any more.
    """
    try:
        from vllm.exceptions import VLLMClientError
    except ImportError:
        return UserError, ValueError
    return UserError, ValueError, VLLMClientError


def _watch(client: Any, stop: threading.Event) -> None:
    """Wake a `step` that waits for an engine process that is gone.

    vLLM's synchronous client notices the death of its engine (`engine_dead`), but tells only
    later calls, not the one that is waiting in its queue. An in-process engine has neither.
    """
    resources, outputs = getattr(client, "resources", None), getattr(client, "outputs_queue", None)
    if resources is None or outputs is None:
        return
    while not stop.wait(_WATCH_S):
        if getattr(resources, "engine_dead", False):
            outputs.put_nowait(RuntimeError("the engine process is gone"))
            return


def _start(checkpoint: Checkpoint, options: BackendOptions) -> StartedEngine:
    """Import vLLM and build its engine, with all its output captured."""
    global _opened_in_process
    if _opened_in_process:
        raise UserError("vLLM's CPU engine starts only once in a process", place="vllm", fix="use a new process")
    log = opened_log()
    preload = os.environ.get("LD_PRELOAD")
    try:
        with log.capture():
            device = _platform(options.device)
            in_process = device == "cpu" and os.environ.setdefault(_MULTIPROCESS, "0") == "0"
            arguments = engine_arguments(checkpoint, options, device, in_process=in_process)
            if device == "cpu":
                register()
                os.environ.setdefault(KV_SPACE, KV_GIB)
            _opened_in_process = in_process
            from vllm import LLM

            core = LLM(**arguments).llm_engine
    except UserError:
        log.close()
        raise
    except Exception as error:  # whatever vLLM raises while it starts, from a bad argument to a full device
        raise UserError(
            f"vLLM did not start: {log.cause() or _told(error)}",
            place=str(log.saved or checkpoint.path),
            fix="try a smaller --max-model-len or --batch-size, another --engine-arg, or --backend hf",
        ) from error
    finally:
        restore("LD_PRELOAD", preload)
    return StartedEngine(core, log, arguments, device, in_process)


def _told(error: Exception) -> str:
    """What an error says; of vLLM's own checks of its arguments, what the first one found."""
    if isinstance(error, ValidationError):
        return error.errors()[0]["msg"]
    return first_line(error)


def _platform(asked: str | None) -> str:
    """`cpu` or `cuda`: which build of vLLM this is."""
    from vllm.platforms import current_platform

    device = str(current_platform.device_type)
    if asked is not None and asked.split(":")[0] != device:
        raise UserError(f"this build of vLLM runs on {device}, not {asked}", place="--device", fix=f"--device {device}")
    return device


def engine_arguments(
    checkpoint: Checkpoint, options: BackendOptions, device: str, *, in_process: bool = False
) -> dict[str, Any]:
    """What vLLM is told of a model, in this process or served; `options.extra` wins."""
    cpu = device == "cpu"
    arguments: dict[str, Any] = {
        "model": str(checkpoint.path),
        "tokenizer": str(checkpoint.renderer.tokenizer.name_or_path),
        "dtype": options.dtype or ("float32" if cpu else "auto"),
        "max_model_len": checkpoint.info.max_length,
        "max_num_seqs": options.batch_size or _SEQUENCES.get(device, 256),
        "seed": 0,
        # vLLM's own neutral defaults in place of the checkpoint's sampling parameters.
        "generation_config": "vllm",
        "enforce_eager": cpu,
    }
    if cpu and checkpoint.info.max_length is not None:
        # A prompt that is read in pieces moves its sampler's generator, which vLLM cannot do on a CPU: the engine dies.
        arguments["enable_chunked_prefill"] = False
        arguments["max_num_batched_tokens"] = max(checkpoint.info.max_length, _BATCHED_TOKENS)
    if in_process:
        arguments["distributed_executor_backend"] = "uni"
    return {**arguments, **options.extra}
