"""The ray engine: Ray Data LLM over vLLM, on the cards of this machine or of a cluster.

`--engine-arg replicas=8` starts so many engines, `tensor_parallel_size` and whatever else vLLM takes shapes each;
`--ray-address` joins a cluster, whose nodes must see the checkpoint under the same path and have listeval installed.
Requests travel as token ids and sampling parameters, contracts stay here. Answers come in batches as these end, in no
order; what one engine refuses is an error of its row. A run resumes as it does on every backend.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from listeval.backends.protocol import BackendOptions, Capabilities, Completion, Request
from listeval.backends.ray.cluster import EnginePool, check_room, connect, make_queue, pipeline
from listeval.backends.ray.feed import Feed
from listeval.backends.vllm.vllm_constraint import VLLMConstraint
from listeval.backends.vllm.vllm_engine import CEILING, engine_arguments
from listeval.decoding.constraint import PACKAGES
from listeval.errors import UserError, first_line
from listeval.models.channels import split_decoded
from listeval.models.checkpoint import Checkpoint, open_checkpoint, package_versions, refusal, refuse_unused


def open(model: str, options: BackendOptions) -> RayBackend:
    """Connect to Ray; engines start with the first request. Raises UserError where something is missing."""
    for package in ("torch", "vllm", "ray"):
        if find_spec(package) is None:
            raise UserError.missing_package(package, "pip install 'listeval[ray,vllm]'", "the ray backend")
    refuse_unused(options, "ray", ("base_url", "structured", "api_key_env", "concurrency"))
    checkpoint = open_checkpoint(model, options, CEILING)
    constraint = VLLMConstraint(options.constraint, checkpoint) if options.constraint else None
    layout = plan(checkpoint, options, constraint)
    connect(options.ray_address, layout)
    try:
        check_room(layout)
    except UserError:
        _disconnect()
        raise
    return RayBackend(checkpoint, layout, options, constraint)


def plan(checkpoint: Checkpoint, options: BackendOptions, constraint: VLLMConstraint | None) -> EnginePool:
    """The engines that `options` ask for, without starting any."""
    import torch

    extra: dict[str, Any] = dict(options.extra)
    replicas = int(extra.pop("replicas", 1))
    if replicas < 1:
        raise UserError(f"replicas is {replicas}", place="--engine-arg", fix="give 1 or more")
    # A driver without a card of its own may well be on a cluster with cards: the build of torch decides.
    cpu = options.device == "cpu" or torch.version.cuda is None
    told = engine_arguments(checkpoint, options, "cpu" if cpu else "cuda", in_process=False)
    told.pop("replicas", None)
    # Ray Data chooses the executor by the cards of an engine.
    told.pop("distributed_executor_backend", None)
    shared = constraint.engine_arguments() if constraint else {}
    return EnginePool(replicas, {**told, **shared, **extra, "disable_log_stats": True}, cpu)


class RayBackend:
    """See the module. One thread generates; another may call `close`."""

    name = "ray"
    capabilities = Capabilities(token_prompts=True, logprobs=False)

    def __init__(
        self, checkpoint: Checkpoint, layout: EnginePool, options: BackendOptions, constraint: VLLMConstraint | None
    ) -> None:
        self.model, self.renderer = checkpoint.info, checkpoint.renderer
        self._stops, self._vocab = checkpoint.stops, checkpoint.vocab_size
        self._layout, self._options, self._constraint = layout, options, constraint
        self._feed: Feed | None = None
        self._closed = False

    def versions(self) -> Mapping[str, str]:
        """Packages of the driver; a cluster's nodes are taken to have the same."""
        import vllm

        packages = ["ray", "torch", "transformers", "tokenizers"]
        if self._constraint is not None and (name := PACKAGES.get(self._constraint.constraint.engine)):
            packages.append(name)
        return {"vllm": str(vllm.__version__), **package_versions(*packages)}

    def settings(self) -> Mapping[str, object]:
        """What shapes the numerics and the speed."""
        kept = {k: v for k, v in self._layout.arguments.items() if k not in ("model", "tokenizer")}
        return {
            **{k: v if isinstance(v, str | int | float | bool | None) else repr(v) for k, v in kept.items()},
            "device": "cpu" if self._layout.cpu else "cuda",
            "replicas": self._layout.replicas,
            "in_flight": self._layout.in_flight,
            "ray_address": self._options.ray_address,
            "stop_token_ids": list(self._stops),
            "constraint": self._constraint and self._constraint.settings(),
        }

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """One completion per request, batch by batch as they end; ends early on `close`.

        Raises UserError where Ray or every engine fails; requests without a completion are owed to the next run.
        """
        feed = self._feed = Feed(requests, self._row, self._layout.in_flight, self._layout.batch)
        try:
            if first := feed.next_batch():
                yield from self._answers(feed, first)
            if feed.error is not None:
                raise feed.error
            yield from _refusals(feed)
        finally:
            feed.stop()

    def _answers(self, feed: Feed, first: list[dict[str, Any]]) -> Iterator[Completion]:
        # A canary's one request needs no second engine.
        layout = self._layout if len(first) == self._layout.batch else self._layout._replace(replicas=1)
        row_bytes = sum(8 * len(row["tokenized_prompt"]) + len(str(row["sampling_params"])) for row in first)
        try:
            queue = make_queue()
            feed.start(first, lambda rows: _put(queue, rows))
            for row in pipeline(layout, queue, row_bytes // len(first)):
                if (request := feed.take(int(row["row"]))) is not None:
                    yield self._completion(request, row)
                yield from _refusals(feed)
        except Exception as error:  # whatever Ray's processes died of
            if self._closed:
                return
            fix = "see `ray status` and the logs in /tmp/ray; run the same command again, it runs only what is owed"
            raise UserError(f"Ray ended the run: {_cause(error)}", place="ray", fix=fix) from error
        for request in feed.left():
            yield Completion.failed(request, "Ray gave no answer to this request")

    def score(self, token_ids: Sequence[Sequence[int]]) -> list[list[float]]:
        """Raises UserError: Ray Data LLM gives no log-probabilities of a prompt."""
        fix = "use --backend hf or vllm with the checkpoint"
        raise UserError("the ray backend has no log-probabilities", place="ray", fix=fix)

    def close(self) -> None:
        """End the engines and leave the cluster; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        if self._feed is not None:
            self._feed.stop()
        _disconnect()

    def _row(self, number: int, request: Request) -> dict[str, Any] | str:
        if why := refusal(request.prompt, self.model.max_length, self._vocab):
            return why
        sampling = request.sampling
        told: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": 1.0 if sampling.greedy else sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "stop_token_ids": list(self._stops),
            "detokenize": False,
        }
        if not sampling.greedy:
            told["seed"] = request.seed
        if self._constraint is not None:
            try:
                told |= self._constraint.fields(request.contract, "")
            except UserError as error:
                return str(error)
        return {"row": number, "tokenized_prompt": list(request.prompt.token_ids), "sampling_params": told}

    def _completion(self, request: Request, row: Mapping[str, Any]) -> Completion:
        seconds = max(0.0, float(row.get("time_taken_llm") or 0.0))
        if error := row.get("__inference_error__"):
            return Completion.failed(request, first_line(ValueError(str(error))), seconds)
        ids = tuple(int(token) for token in row["generated_tokens"])
        # Ray Data hands no finish reason on.
        ended = bool(ids) and ids[-1] in self._stops
        if not ended and len(ids) < request.sampling.max_tokens:
            return Completion.failed(request, f"vLLM broke the answer off after {len(ids)} tokens", seconds)
        kept = ids[:-1] if ended else ids
        reasoning, answer = split_decoded(self.renderer, kept, request.prompt.text)
        return Completion(
            key=request.key,
            text=answer,
            finish_reason="stop" if ended else "length",
            n_tokens=len(ids),
            n_prompt_tokens=len(request.prompt.token_ids),
            token_ids=kept,
            reasoning=reasoning,
            latency_s=seconds,
        )


def _refusals(feed: Feed) -> Iterator[Completion]:
    while feed.refused:
        yield Completion.failed(*feed.refused.pop(0))


def _put(queue: Any, rows: list[dict[str, Any]] | None) -> None:
    with suppress(Exception):  # a queue that is gone is told of where the answers are read
        queue.put(rows)


def _cause(error: Exception) -> str:
    """The innermost word: Ray wraps what a worker raised several times over."""
    told = getattr(error, "cause", None) or error.__cause__ or error
    return first_line(told if isinstance(told, Exception) else error)


def _disconnect() -> None:
    import ray

    with suppress(Exception):  # a cluster that is gone has nothing left to be told
        ray.shutdown()
