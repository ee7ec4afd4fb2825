"""What a run is about to do: task, data and model resolved, checked and fingerprinted before the first token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import to_json

from listeval import __version__
from listeval.backends.protocol import Backend, Prompt, Request
from listeval.errors import UserError
from listeval.registry import find_all, load_task
from listeval.runs.config import RunConfig, config_error
from listeval.runs.environment import environment
from listeval.runs.manifest import Manifest
from listeval.task import Dataset, Example, Task


class Owed(NamedTuple):
    """One sample, its place among its seed's examples, and the request that will answer it."""

    example: Example
    place: int
    request: Request


def make_task(name: str, options: dict[str, Any]) -> Task:
    """The task with its options. Raises UserError for an unknown task or option."""
    task_type = load_task(name)
    try:
        return task_type(task_type.Options.model_validate(options))
    except ValidationError as error:
        raise config_error(error, list(task_type.Options.model_fields), prefix="--set ") from None


def load_data(task: Task, config: RunConfig) -> dict[int, Dataset]:
    """Each seed's examples, cut to `samples` and `limit`. Raises UserError for a sample id that does not exist."""
    return {seed: _cut(task.load(config.data, seed), config) for seed in config.seeds}


def _cut(dataset: Dataset, config: RunConfig) -> Dataset:
    examples: Sequence[Example] = dataset.examples
    if config.samples:
        by_id = {example.id: example for example in examples}
        absent = [name for name in config.samples if name not in by_id]
        if absent:
            raise UserError(
                f"no example '{absent[0]}'", place=dataset.source, fix=f"ids look like '{next(iter(by_id), '')}'"
            )
        examples = [by_id[name] for name in config.samples]
    return dataset._replace(examples=examples[: config.limit])


def identity(config: RunConfig, task: Task, data: dict[int, Dataset], backend: Backend) -> dict[str, Any]:
    """Everything that determines the rows, besides the examples themselves; speed knobs are left out."""
    return {
        "task": {"name": task.name, "version": task.version, "options": task.options.model_dump(mode="json")},
        "data": next(iter(data.values())).fingerprint,
        "model": {
            "fingerprint": backend.model.fingerprint,
            "tokenizer": backend.model.tokenizer_hash,
            "template": backend.model.template_hash,
        },
        "backend": backend.name,
        "dtype": backend.settings().get("dtype"),
        "sampling": {"max_tokens": config.max_tokens, "temperature": config.temperature, "top_p": config.top_p},
        "enable_thinking": config.enable_thinking,
        "constraint": "none",
    }


def make_manifest(config: RunConfig, task: Task, data: dict[int, Dataset], backend: Backend) -> Manifest:
    """The manifest of a run that has not yet made a row."""
    model = backend.model
    return Manifest(
        listeval=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        config=config,
        identity=identity(config, task, data, backend),
        task={
            "name": task.name,
            "version": task.version,
            "options": task.options.model_dump(mode="json"),
            "code": _code_hash(task.name),
            "metrics": [metric._asdict() for metric in task.metrics],
        },
        data={
            str(seed): {"source": d.source, "fingerprint": d.fingerprint, "counts": dict(d.counts)}
            for seed, d in data.items()
        },
        model={name: getattr(model, name) for name in model.__slots__},
        backend={"name": backend.name, "settings": dict(backend.settings()), "versions": dict(backend.versions())},
        environment=environment(),
    )


def _code_hash(name: str) -> str | None:
    """Hash of a folder task's code and prompts; None for one that comes from a package."""
    ref = find_all().get(name)
    if ref is None or ref.folder is None:
        return None
    files = sorted(p for p in ref.folder.iterdir() if p.suffix in {".py", ".jinja"})
    return sha256(b"".join(p.name.encode() + p.read_bytes() for p in files)).hexdigest()


def default_out(manifest: Manifest) -> Path:
    """`runs/<task>-<model>-<identity>`: the same command finds its own run again."""
    model = Path(str(manifest.model["name"]).rstrip("/")).name or "model"
    return Path("runs") / f"{manifest.task['name']}-{model}-{manifest.identity_hash[:8]}"


def owed(task: Task, data: dict[int, Dataset], backend: Backend, manifest: Manifest) -> Iterator[Owed]:
    """Every sample of the run with its request, rendered on demand, in order."""
    prefix = bytes.fromhex(manifest.identity_hash)
    sampling, renderer = manifest.config.sampling, backend.renderer
    for seed, dataset in data.items():
        for index, example in enumerate(dataset.examples):
            prompt = renderer.render(example.messages) if renderer else Prompt(tuple(example.messages))
            contract = task.contract(example.target)
            key = row_key(prefix, example.id, seed, prompt, contract.spec())
            yield Owed(example, index, Request(key, example.id, prompt, sampling, seed, contract))


def row_key(prefix: bytes, example: str, seed: int, prompt: Prompt, contract: dict[str, Any]) -> str:
    """Content hash (32 hex digits) of everything that determines a row; `prefix` is the run's identity hash."""
    sent: Any = prompt.token_ids or [[message.role, message.content] for message in prompt.messages]
    return sha256(prefix + to_json([example, seed, sent, contract])).hexdigest()[:32]
