"""`RunConfig`: everything a user chooses, resolved and stored with its nulls so that a run repeats itself."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticSerializationError

from listeval.backends import choose
from listeval.backends.engine_arg import FLAG, typed
from listeval.backends.protocol import BackendOptions, Sampling
from listeval.decoding.constraint import Constraint, ConstraintKind, resolve
from listeval.decoding.spacing import Spacing
from listeval.errors import UserError, config_error
from listeval.models.adapter import open_adapter
from listeval.models.renderer import RESERVED
from listeval.runs import reask
from listeval.runs.fields import MOST, each_number, spelled
from listeval.runs.places import Places, ranges_of, spell
from listeval.runs.reask import ReaskWay
from listeval.runs.tracking.tracker import TrackerName

WITHOUT_MODEL = ("replay", "null")
"""Backends in which no model reads a prompt or generates an answer."""
_ADAPTABLE = ("hf", "vllm")
"""Backends that put an adapter on top of a model."""


class RunConfig(BaseModel):
    """One run's configuration. Field names are the command line's, with underscores."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    task: str
    model: str
    backend: str = "auto"
    options: dict[str, Any] = Field(default_factory=dict)
    """Task options, `--set name=value`."""
    data: str | None = None
    limit: int | None = Field(default=None, ge=1)
    """Examples per seed, from the front."""
    samples: tuple[str, ...] = ()
    """Only these example ids."""
    seeds: tuple[Annotated[int, Field(ge=-MOST, le=MOST)], ...] = Field(default=(0,), min_length=1)
    """Each seed groups and orders the data anew and seeds the sampler."""
    places: dict[Annotated[int, Field(ge=-MOST, le=MOST)], Places] | None = None
    """By seed, the places of the examples that are asked for: `0-4,9`, or `0-` for all."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Budget of one answer; None until `resolved`."""
    attempts: int = Field(default=1, ge=1, le=9)
    """Most answers to a sample: one that breaks the contract is asked for again."""
    reask: ReaskWay | None = None
    """How: `same` prompt with another seed, or `explain` the failure in a new turn; None until `resolved`."""
    temperature: float = Field(default=0.0, ge=0.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    enable_thinking: bool | None = None
    chat_template_arg: dict[str, Any] | None = Field(default=None, min_length=1)
    """What the chat template is told besides, by name."""
    system: str | None = Field(default=None, min_length=1)
    """A system turn before the task's messages."""
    clock: datetime | None = None
    """The time that the chat template prints, where it prints one; set when the run begins, and kept."""
    dtype: str | None = None
    device: str | None = None
    batch_size: int | None = Field(default=None, ge=1)
    concurrency: Annotated[int, Field(ge=1)] | Literal["auto"] | None = None
    max_model_len: int | None = Field(default=None, ge=1)
    adapter: str | None = Field(default=None, min_length=1)
    """A LoRA adapter's folder, put on top of the model (hf, vllm)."""
    engine_arg: dict[str, Any] | None = Field(default=None, min_length=1)
    """Arguments of the engine's own, by its names; in its own types once `resolved`."""
    base_url: str | None = None
    serve: bool = False
    """Whether `vllm serve` is started for the run."""
    ray_address: str | None = None
    tokenizer: str | None = None
    timeout_s: float = Field(default=600.0, gt=0.0)
    structured: bool | None = None
    """Whether a server is sent the contract's JSON Schema: a constraint that no canary proves, recorded as unproven."""
    constraint: ConstraintKind = "none"
    """What every answer is held to."""
    engine: str | None = None
    """What enforces the constraint; None until `resolved`."""
    spacing: Spacing | None = None
    """How freely a constrained answer may be spaced; None until `resolved`, and without a constraint."""
    api_key_env: str | None = None
    """The environment variable that holds the server's key; never the key."""
    allow_code_execution: bool = False
    """Whether a task may run code that the model wrote."""
    track: tuple[TrackerName, ...] = ()
    """Trackers that are told of the run's figures; no prompt or answer goes there."""
    out: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_model(cls, values: Any) -> Any:
        """The null backend has no model; its own rule answers where none is named."""
        if isinstance(values, dict) and values.get("backend") == "null" and values.get("model") is None:
            return {**values, "model": "null"}
        return values

    @model_validator(mode="before")
    @classmethod
    def _asked_over_http(cls, values: Any) -> Any:
        """A server of the run's own is asked by the openai backend, where none is named."""
        if isinstance(values, dict) and values.get("serve") is True and values.get("backend") in (None, "auto"):
            return {**values, "backend": "openai"}
        return values

    @model_validator(mode="after")
    def _by_places(self) -> RunConfig:
        if self.places is not None and (self.samples or self.limit is not None):
            raise ValueError("places say which samples, so neither samples nor a limit stand beside them")
        if self.places is not None and self.places.keys() != set(self.seeds):
            seeds = ", ".join(map(str, self.seeds))
            raise ValueError(f"places are told of each seed, of {seeds} and no other")
        return self

    @model_validator(mode="after")
    def _served_by_us(self) -> RunConfig:
        if not self.serve:
            return self
        if self.backend != "openai":
            raise ValueError(f"--serve starts a server, and the {self.backend} backend asks none")
        if self.base_url is not None or self.api_key_env is not None:
            raise ValueError("--serve starts a server of its own, which no address or key is for")
        return self

    @property
    def engine_name(self) -> str:
        """Whose arguments `engine_arg` holds, by the name of the backend that runs it here."""
        return "vllm" if self.serve else self.backend

    def resolved(self, max_tokens: int, backend: str) -> RunConfig:
        """With the backend and engine that `auto` stands for, and the task's budget where the user named none.

        Raises UserError for a constraint that `backend` does not have, for words to a model where there is none, for
        arguments that its engine or this configuration does not take, and where asking again could change nothing.
        """
        for name in ("system", "chat_template_arg"):
            if backend in WITHOUT_MODEL and getattr(self, name) is not None:
                flag = f"--{name.replace('_', '-')}"
                raise UserError(f"the {backend} backend has no use for {flag}", place=flag, fix="leave it out")
        if self.adapter is not None and backend not in _ADAPTABLE:
            raise UserError(
                f"the {backend} backend has no use for --adapter", place="--adapter", fix="--backend hf or vllm"
            )
        own = self._engine_arguments(backend)
        found = resolve(self.constraint, self.engine, backend, self.spacing)
        update = {
            "backend": backend,
            "engine": found and found.engine,
            "spacing": found and found.spacing,
            "max_tokens": self.max_tokens or max_tokens,
            "reask": reask.check(self.attempts, self.reask, temperature=self.temperature, backend=backend),
        }
        made = self.model_copy(update=update | own)
        # What came from the task and for the engine is written to the manifest, and read again from there.
        build_config(made.model_dump())
        return made

    def _engine_arguments(self, backend: str) -> dict[str, Any]:
        """The engine's arguments in its own types; those that have a flag, under the key of the flag."""
        if self.engine_arg is None:
            return {}
        arguments, flags = typed("vllm" if self.serve else backend, self.engine_arg)
        for key, value in flags.items():
            said = getattr(self, key)
            if said not in (None, value):
                flag = f"--{key.replace('_', '-')}"
                raise UserError(f"{flag} says {said}, {FLAG} says {value}", place=FLAG, fix=f"give {flag} alone")
        return {"engine_arg": arguments or None, **flags}

    @field_validator("options")
    @classmethod
    def _spelled(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Infinities and NaN, which JSON lacks, as the texts that pydantic reads as such."""
        return {name: each_number(value, spelled) for name, value in given.items()}

    @field_validator("places")
    @classmethod
    def _once_each(cls, given: dict[int, str] | None) -> dict[int, str] | None:
        return None if given is None else {seed: spell(ranges_of(text)) for seed, text in given.items()}

    @field_validator("chat_template_arg", "engine_arg")
    @classmethod
    def _finite(cls, given: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if given is None else {name: each_number(value, _refuse_endless) for name, value in given.items()}

    @field_validator("chat_template_arg")
    @classmethod
    def _not_ours(cls, given: dict[str, Any] | None) -> dict[str, Any] | None:
        for name in given or {}:
            if name in RESERVED:
                raise ValueError(f"{name} is set by listeval itself")
            if name == "enable_thinking":
                raise ValueError("enable_thinking is set by --thinking and --no-thinking")
        return given

    @field_validator("engine_arg")
    @classmethod
    def _with_underscores(cls, given: dict[str, Any] | None) -> dict[str, Any] | None:
        """By the engine's own names, however they were spelled on a command line."""
        return None if given is None else {name.replace("-", "_"): value for name, value in given.items()}

    @property
    def decoding(self) -> Constraint | None:
        """The constraint of a resolved configuration."""
        return resolve(self.constraint, self.engine, self.backend, self.spacing)

    @property
    def asked_of_decoder(self) -> ConstraintKind:
        """What answers are to be held to, whether that is proven beforehand (`constraint`) or not (`structured`)."""
        return "schema" if self.structured and self.constraint == "none" else self.constraint

    @property
    def sampling(self) -> Sampling:
        """The effective decoding parameters of a resolved configuration."""
        if self.max_tokens is None:
            raise ValueError("not resolved")
        # A nucleus means nothing to an argmax, so it does not make another run.
        return Sampling(self.max_tokens, self.temperature, self.top_p if self.temperature else 1.0)

    @property
    def backend_options(self) -> BackendOptions:
        """What the engine is opened with. Raises UserError for an `adapter` that cannot be read."""
        return BackendOptions(
            dtype=self.dtype,
            device=self.device,
            batch_size=self.batch_size,
            concurrency=self.concurrency,
            max_model_len=self.max_model_len,
            base_url=self.base_url,
            serve=self.serve,
            ray_address=self.ray_address,
            tokenizer=self.tokenizer,
            timeout_s=self.timeout_s,
            enable_thinking=self.enable_thinking,
            chat_template_arg=self.chat_template_arg,
            structured=self.structured,
            api_key_env=self.api_key_env,
            constraint=self.decoding,
            adapter=None if self.adapter is None else open_adapter(self.adapter),
            extra=self.engine_arg or {},
        )


def _refuse_endless(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("numbers are finite")
    return number


def listed(value: object) -> object:
    """`0,1` as a list of its parts, a file's single number or a list's numbers as text; anything else as it is."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, list):
        return [str(part) if isinstance(part, int) and not isinstance(part, bool) else part for part in value]
    return value


def _check_backend(name: object) -> None:
    """Raises UserError for an unknown one: what else a configuration lacks is read by its backend."""
    if isinstance(name, str) and name != "auto":
        choose(name)


def build_config(values: dict[str, Any]) -> RunConfig:
    """Validate values from a command line or a file.

    Raises UserError naming the first offending field and, for an unknown one, the nearest known.
    """
    try:
        config = RunConfig.model_validate(values)
    except ValidationError as error:
        _check_backend(values.get("backend"))
        raise config_error(error, list(RunConfig.model_fields)) from None
    except RecursionError:
        raise _too_deep() from None
    for name, value in config:
        # A prompt may hold anything; no file, server or engine has such a name.
        if name != "system" and isinstance(value, str) and "\0" in value:
            raise UserError(f"{value!r} holds a NUL", place=f"--{name.replace('_', '-')}", fix="write it without")
    try:
        config.model_dump_json()
    except PydanticSerializationError as error:
        if "depth" in str(error):
            raise _too_deep() from None
        # A manifest is UTF-8, and Python spells other bytes of a file name by lone surrogates.
        raise UserError("a name holds bytes that are not UTF-8", fix="rename the file or folder") from None
    return config


def _too_deep() -> UserError:
    return UserError("a value nests too deep", fix="write it flatter")
