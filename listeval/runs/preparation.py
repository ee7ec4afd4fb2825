"""What a run is about to do: task, data and model resolved, checked and fingerprinted before the first token."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import to_json

from listeval import __version__
from listeval.backends import choose
from listeval.backends.engine_arg import numerics
from listeval.backends.protocol import Backend, Prompt, Request, Sampling
from listeval.contract import Contract
from listeval.contract.separators import Separators
from listeval.disk import absolute_path
from listeval.errors import UserError, first_line
from listeval.kit.file_option import files_named
from listeval.models.adapter import open_adapter
from listeval.plugins.open import token_budget
from listeval.runs.config import RunConfig
from listeval.runs.entries import BackendEntry, EnvironmentEntry, MetricEntry, ModelEntry, TaskEntry
from listeval.runs.environment import environment
from listeval.runs.fields import each_number, spelled
from listeval.runs.manifest import Manifest, hash_json
from listeval.runs.scope import chosen
from listeval.runs.seed_data import SeedData
from listeval.task import Dataset, Example, Metric, Target, Task


class Sample(NamedTuple):
    """One example of one seed, with the key of its row; nothing is rendered yet."""

    key: str
    example: Example
    place: int
    seed: int
    contract: Contract[Any]


class SampleRequest(NamedTuple):
    """One sample and the request that will answer it."""

    sample: Sample
    request: Request


def settled(config: RunConfig, task: Task) -> RunConfig:
    """The configuration with all that follows from the task and the backend. Raises as `RunConfig.resolved`."""
    return _as_kept(config, task).resolved(token_budget(task), choose(config.backend))


def _as_kept(config: RunConfig, task: Task) -> RunConfig:
    """The configuration with the files that options name absolute, where the task keeps them so."""
    kept = task.options.model_dump(mode="json")
    paths = {name: absolute_path(value) for name, value in config.options.items() if isinstance(value, str)}
    same = {name: path for name, path in paths.items() if kept.get(name) == path}
    return config.model_copy(update={"options": {**config.options, **same}})


def load_data(task: Task, config: RunConfig) -> SeedData:
    """Each seed's examples. Raises UserError for an example id that repeats and for a wanted one that no seed has."""
    return SeedData(task, config)


_WORDS = ("system", "chat_template_arg")
"""What a user may put into every prompt; part of a run's identity only where it is used."""


def identity(config: RunConfig, task: Task, data: SeedData, backend: Backend) -> dict[str, Any]:
    """Everything that determines the rows, besides the examples themselves; speed knobs are left out."""
    return {
        **unopened_identity(config, task, data),
        "model": {
            "fingerprint": backend.model.fingerprint,
            "tokenizer": backend.model.tokenizer_hash,
            "template": backend.model.template_hash,
        },
        "dtype": backend.settings().get("dtype"),
    }


def unopened_identity(config: RunConfig, task: Task, data: SeedData) -> dict[str, Any]:
    """The part of a resolved run's identity that is known before a model is opened or a server asked."""
    again = {"attempts": {"most": config.attempts, "reask": config.reask}} if config.attempts > 1 else {}
    words = {name: value for name in _WORDS if (value := getattr(config, name)) is not None}
    if told := numerics(config.engine_name, config.engine_arg or {}):
        words["engine_arg"] = told
    if config.serve:
        words["serve"] = True
    if config.adapter is not None:
        words["adapter"] = open_adapter(config.adapter).fingerprint
    return words | {
        "task": task_entry(task).behind_rows(),
        "data": next(iter(data.heads.values())).entry.fingerprint,
        "backend": config.backend,
        "sampling": asdict(config.sampling),
        "enable_thinking": config.enable_thinking,
        "constraint": config.decoding.spec() if config.decoding else config.asked_of_decoder,
        **again,
    }


def make_manifest(config: RunConfig, task: Task, data: SeedData, backend: Backend) -> Manifest:
    """The manifest of a run that has not yet made a row."""
    model = backend.model
    return Manifest(
        listeval=__version__,
        created=datetime.now(UTC).isoformat(timespec="microseconds"),
        config=config,
        identity=identity(config, task, data, backend),
        task=task_entry(task, _first_target(data)),
        data={str(seed): head.entry for seed, head in data.heads.items()},
        model=ModelEntry(**{k: v for k, v in asdict(model).items() if k != "adapter" or v is not None}),
        backend=BackendEntry(name=backend.name, settings=dict(backend.settings()), versions=dict(backend.versions())),
        constraint=config.asked_of_decoder,
        environment=EnvironmentEntry(**environment()),
        ledger=True,
    )


def task_entry(task: Task, target: Target | None = None) -> TaskEntry:
    """What the manifest says of a task: its options, a hash of its code and prompts, the contract of a `target`."""
    more: dict[str, Any] = {} if target is None else {"contract": _contract_name(task, target)}
    if files := files_named(task.options):
        more["files"] = files
    return TaskEntry(
        name=task.name,
        version=task.version,
        options=each_number(task.options.model_dump(mode="json"), spelled),
        code=task.code,
        metrics=[_metric_entry(metric) for metric in task.metrics],
        verdicts=list(task.verdicts),
        **more,
    )


def _metric_entry(metric: Metric) -> MetricEntry:
    """An infinite bound is an open side; a direction is written where there is one to say."""
    values = metric._asdict()
    if metric.bounds is not None:
        values["bounds"] = tuple(None if end is None or math.isinf(end) else end for end in metric.bounds)
    for direction in ("less_is_better", "more_is_better"):
        if not values[direction]:
            del values[direction]
    return MetricEntry(**values)


def _contract_name(task: Task, target: Target) -> str:
    """The contract's class, or ours that a task's own one stands on; empty where the task cannot bind this one."""
    try:
        family = type(task.contract(target)).__mro__
    except Exception:  # noqa: BLE001 - a plug-in may raise anything, and the run itself will say so
        return ""
    return next(cls.__name__ for cls in family if cls.__module__.startswith("listeval.contract"))


def _first_target(data: Mapping[int, Dataset]) -> Target | None:
    return next((example.target for dataset in data.values() for example in dataset.examples), None)


def default_out(manifest: Manifest) -> Path:
    """`runs/<task>-<model>-<identity>`: the same command finds its own run again."""
    model = Path(manifest.model.name.rstrip("/")).name or "model"
    if manifest.model.adapter is not None:
        model += f"-{manifest.model.adapter.name}"

    def called(identity: Mapping[str, Any]) -> Path:
        return Path("runs") / f"{manifest.task.name}-{model}-{hash_json(identity)[:8]}"

    # A run from before its identity left out where its files lie is called by that.
    identity = manifest.identity
    before = called({**identity, "task": {**identity["task"], "options": manifest.task.options}})
    return before if before.exists() else called(identity)


def samples(task: Task, data: Mapping[int, Dataset], config: RunConfig, identity_hash: str) -> Iterator[Sample]:
    """Every sample that `config` asks for, in order, made on demand.

    Raises UserError where the task cannot bind a contract.
    """
    prefix = bytes.fromhex(identity_hash)
    for seed in data:
        # No name holds a seed's data: they can go before the next are read.
        for place, example in chosen(data[seed].examples, seed, config):
            contract = _bind(task, example, config)
            yield Sample(row_key(prefix, example, seed, contract), example, place, seed, contract)


def first_contract(task: Task, data: Mapping[int, Dataset], config: RunConfig) -> Contract[Any]:
    """The contract of the first example. Raises UserError where there is none, or the task cannot bind it."""
    for seed, dataset in data.items():
        for _, example in chosen(dataset.examples, seed, config):
            return _bind(task, example, config)
    raise UserError("no example is left to constrain", place="--limit, --samples", fix="give other data")


def _bind(task: Task, example: Example, config: RunConfig) -> Contract[Any]:
    """The example's contract; in a constrained run it knows how the task spaces this example's gold answer."""
    wanted = "contract"
    try:
        contract = task.contract(example.target)
        if config.constraint != "none":
            wanted = "gold answer"
            # A copy: a task may give one contract to all its examples.
            contract = copy(contract)
            contract.separators = Separators.of(task.gold(example.target))
        return contract
    except Exception as error:
        cause = f"task '{task.name}' has no {wanted} for its example '{example.id}': {first_line(error)}"
        place = "task.gold" if wanted != "contract" else "task.contract"
        raise UserError(cause, place=place, fix="correct the task or that example") from error


def render(sample: Sample, backend: Backend, sampling: Sampling) -> SampleRequest:
    """The sample with its request. Raises UserError where the chat template refuses the messages."""
    messages = sample.example.messages
    prompt = backend.renderer.render(messages) if backend.renderer else Prompt(tuple(messages))
    key, example, place, seed, contract = sample
    return SampleRequest(sample, Request(key, example.id, prompt, sampling, seed, contract, place))


def row_key(prefix: bytes, example: Example, seed: int, contract: Contract[Any]) -> str:
    """Content hash (32 hex digits) of everything that determines a row.

    `prefix` is the run's identity hash. With its tokenizer, template and thinking it turns these
    messages into one sequence of token ids, so a row that is there need not be rendered to be found.
    """
    # As bytes: a text would keep the UTF-8 form that is made of it here for as long as it lives.
    messages = [(message.role, message.content.encode()) for message in example.messages]
    return sha256(prefix + to_json([example.id, seed, messages, contract.spec()])).hexdigest()[:32]
