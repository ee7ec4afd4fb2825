"""What every engine adapter speaks: requests in, completions out as they finish.

An adapter is one file with a function `open(model, options) -> Backend`. It never sees a
task or a label; it gets our token ids (or the messages, where a remote server owns the
template), a sampling spec, and the contract that constraints are derived from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

from listeval.chat import Message as Message
from listeval.chat import Prompt as Prompt
from listeval.errors import UserError
from listeval.models.info import ModelInfo as ModelInfo

if TYPE_CHECKING:
    from pathlib import Path

    from listeval.contract import Contract, Kind
    from listeval.decoding.constraint import Constraint
    from listeval.models.adapter import Adapter
    from listeval.models.renderer import Renderer

FinishReason = Literal["stop", "length", "content_filter", "error"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """The effective decoding parameters: all of them ours, none from a checkpoint's generation_config.

    `temperature` 0 is greedy. `max_tokens` counts generated tokens only.
    """

    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0

    @property
    def greedy(self) -> bool:
        """Whether decoding is an argmax, so that a seed changes nothing."""
        return self.temperature == 0.0


class KnownAnswers(NamedTuple):
    """What a task knows of an example: its gold answer, and answers that must fail, each by its kind."""

    gold: str
    bad: Mapping[Kind, str]


class Request(NamedTuple):
    """One sample owed to the engine. `key` names it and comes back on its completion.

    `example` and `place` are the id of the example behind it and its place among its seed's examples:
    what recorded answers are looked up by. `known` is set for an engine that plays answers, and for no other:
    what has a model never sees a label.
    """

    key: str
    example: str
    prompt: Prompt
    sampling: Sampling
    seed: int
    contract: Contract[Any]
    place: int = 0
    known: KnownAnswers | None = None


class Completion(NamedTuple):
    """One raw answer, before any parsing.

    `text` is the answer channel and `reasoning` what the engine (or a mark of thinking) kept apart
    from it, a tool call that nobody asked for included. `latency_s` runs from hand-over to finish.
    An engine that failed this request sets `error` and `finish_reason="error"`. `masked` is the mean probability
    mass that a constraint took away from a step, None where there was none or the engine does not tell.
    """

    key: str
    text: str
    finish_reason: FinishReason
    n_tokens: int = 0
    n_prompt_tokens: int = 0
    token_ids: tuple[int, ...] = ()
    reasoning: str | None = None
    latency_s: float = 0.0
    error: str | None = None
    masked: float | None = None

    @classmethod
    def failed(cls, request: Request, why: str, seconds: float = 0.0) -> Completion:
        """The engine gave no answer to `request`, `seconds` after it was handed over."""
        n_prompt = len(request.prompt.token_ids)
        return cls(request.key, "", "error", n_prompt_tokens=n_prompt, latency_s=seconds, error=why)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the adapter can do with the model that it opened."""

    token_prompts: bool
    """Takes our token ids; else it sends messages and the server renders."""
    logprobs: bool
    """`score` works."""
    plays: bool = False
    """It has no model and answers with what the task knows: its requests carry that."""


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """Knobs that change speed or numerics, recorded in the manifest. None means the engine's own choice."""

    dtype: str | None = None
    device: str | None = None
    batch_size: int | None = None
    concurrency: int | Literal["auto"] | None = None
    max_model_len: int | None = None
    base_url: str | None = None
    tokenizer: str | None = None
    timeout_s: float = 600.0
    enable_thinking: bool | None = None
    chat_template_arg: Mapping[str, Any] | None = None
    """What the chat template is told besides, by name."""
    ray_address: str | None = None
    """The cluster that Ray's engines run on; None starts one in this machine."""
    structured: bool | None = None
    """Ask the server to hold every answer to its contract's JSON Schema."""
    api_key_env: str | None = None
    """The environment variable that holds the server's key, where it is not $OPENAI_API_KEY."""
    constraint: Constraint | None = None
    """What every answer is held to, bound to its request's contract."""
    constraints: tuple[Constraint, ...] = ()
    """What `Constrainable.constrain` may ask for later, where an engine has to know that when it starts."""
    serve: bool = False
    """Start a server of the model for the run."""
    adapter: Adapter | None = None
    """What is put on top of the model first."""
    adapters: tuple[Adapter, ...] = ()
    """What `Adaptable.adapt` may ask for later, where an engine has to know that when it starts."""
    uncounted: frozenset[int] = frozenset()
    """Lines of recorded answers that are not replayed, from 1: rows that their run does not count."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """Arguments of the engine's own (`listeval.backends.engine_arg`)."""

    def fixed_concurrency(self, backend: str) -> int | None:
        """Requests in flight for an engine that finds none out itself. Raises UserError for `auto`."""
        if self.concurrency == "auto":
            cause = f"the {backend} backend has no ramp to find its concurrency"
            raise UserError(cause, place="--concurrency", fix="give a number, or leave it out")
        return self.concurrency


class Backend(Protocol):
    """An opened engine; whoever opened it calls `close`."""

    name: str
    model: ModelInfo
    capabilities: Capabilities
    renderer: Renderer | None
    """None where the server renders; then `Prompt.messages` is what is sent."""

    def versions(self) -> Mapping[str, str]:
        """Versions of the packages and servers that made the numbers."""

    def settings(self) -> Mapping[str, object]:
        """The effective engine settings (dtype, device, batch size, ...), JSON values only."""

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield one completion per request, in the order they finish, reading requests lazily."""

    def score(self, token_ids: Sequence[Sequence[int]]) -> list[list[float]]:
        """Log-probability (natural, fp32 log-softmax) of every token but the first, per sequence.

        Raises UserError where `capabilities.logprobs` is false.
        """

    def close(self) -> None:
        """Free the engine; safe to call twice."""


@runtime_checkable
class Constrainable(Backend, Protocol):
    """An engine whose weights are loaded once for runs under several constraints."""

    def constrain(self, constraint: Constraint | None) -> bool:
        """Hold every answer from now on to `constraint`, or to none; False where this engine was not started for it.

        Nothing may be generating. Raises UserError as opening it with that constraint does.
        """


@runtime_checkable
class Adaptable(Backend, Protocol):
    """An engine whose base model is loaded once for runs with several adapters."""

    def adapt(self, adapter: Adapter | None) -> bool:
        """Compute with `adapter` from now on, or with the base alone; False where this engine was not started for it.

        Nothing may be generating. Raises UserError for an adapter of another base, and one that cannot be loaded.
        """


@runtime_checkable
class Logging(Backend, Protocol):
    """An engine in processes of its own, whose words are kept with the run."""

    def log_to(self, directory: Path) -> None:
        """Append its log to a file there. Raises UserError where that cannot be written."""


@runtime_checkable
class Recorded(Backend, Protocol):
    """Answers that were made before: whether they are those to some data shows before the first is asked for."""

    def meet(self, examples: Mapping[int, Sequence[str]], limit: int | None) -> None:
        """Look how the answers meet the ids of `examples` by seed, of which a run may ask for the first `limit` only.

        What does not meet is in `settings` from now on. Raises UserError where nothing meets.
        """
