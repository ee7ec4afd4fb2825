"""What every local engine reads from a checkpoint before it loads the weights: renderer, stop tokens, identity."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from listeval.chat import Message, Prompt
from listeval.errors import UserError, did_you_mean, first_line
from listeval.models.adapter import Adapter, check_base
from listeval.models.complete import check_reading, check_tokenizer, check_weights
from listeval.models.cpu import wait_passively
from listeval.models.info import ModelInfo, ReadOptions
from listeval.models.renderer import Renderer, load_tokenizer
from listeval.models.resolve import fingerprint, resolve
from listeval.models.short_names import SHORT_NAMES

_LENGTH_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length")
_DTYPES = ["float32", "bfloat16", "float16"]


class Checkpoint(NamedTuple):
    """A model folder, opened but not loaded. `stops` are the ids that end an answer, ascending."""

    path: Path
    renderer: Renderer
    stops: tuple[int, ...]
    vocab_size: int
    info: ModelInfo

    def with_adapter(self, adapter: Adapter | None) -> ModelInfo:
        """What is said of the model under `adapter`. Raises UserError for an adapter of another base."""
        if adapter is not None:
            check_base(adapter, self.info.name, self.path, self.info.fingerprint)
        return replace(self.info, adapter=adapter)


def open_checkpoint(model: str, options: ReadOptions, ceiling: int | None = None) -> Checkpoint:
    """Resolve `model` and read all but its weights. Raises UserError where something is missing.

    The length is `options.max_model_len`, else what the model takes, at most `ceiling`.
    """
    wait_passively()
    check_torchvision()
    if options.dtype is not None and options.dtype not in _DTYPES:
        raise UserError(f"unknown dtype '{options.dtype}'", place="--dtype", fix=did_you_mean(options.dtype, _DTYPES))
    name, path = resolve(model)
    tokenizer = options.tokenizer or path
    if options.tokenizer in SHORT_NAMES:
        tokenizer = resolve(options.tokenizer).path
    config = _json(path / "config.json")
    check_weights(path)
    if Path(tokenizer).is_dir():
        check_tokenizer(Path(tokenizer))
    loaded = load_tokenizer(tokenizer)
    check_reading(loaded, Path(tokenizer))
    renderer = Renderer(loaded, options.enable_thinking, options.chat_template_arg)
    text_config = {**config, **(config.get("text_config") or {})}
    info = ModelInfo(
        name=name,
        fingerprint=fingerprint(path),
        path=str(path.resolve()),
        tokenizer_hash=renderer.tokenizer_hash,
        template_hash=renderer.template_hash,
        max_length=_max_length(text_config, options.max_model_len, ceiling),
    )
    return Checkpoint(path, renderer, stop_token_ids(path, renderer), int(text_config.get("vocab_size") or 0), info)


def stop_token_ids(path: Path, renderer: Renderer) -> tuple[int, ...]:
    """Every id that ends an answer: EOS of generation config, config and tokenizer, and the template's end of turn.

    Checkpoints disagree with themselves here (a base model's EOS kept beside a chat template
    that ends turns otherwise), and an engine that misses one runs on to the token limit.
    """
    ids: set[int] = set()
    for file in ("generation_config.json", "config.json"):
        config = _json(path / file) if (path / file).is_file() else {}
        for level in (config, config.get("text_config") or {}):
            ids.update(_as_ids(level.get("eos_token_id")))
    ids.update(_as_ids(renderer.tokenizer.eos_token_id))
    ids.update(end_of_turn(renderer))
    return tuple(sorted(ids))


def refusal(prompt: Prompt, max_length: int | None, vocab_size: int) -> str | None:
    """Why an engine cannot take this prompt, or None. Prompts are refused, never cut."""
    n = len(prompt.token_ids)
    if n == 0:
        return "the prompt has no tokens"
    if max_length is not None and n >= max_length:
        return f"the prompt has {n} tokens and leaves no room for an answer: the model takes {max_length} together"
    if vocab_size and max(prompt.token_ids) >= vocab_size:
        return f"token id {max(prompt.token_ids)} is not in the model's vocabulary of {vocab_size}: a foreign tokenizer"
    return None


def package_versions(*packages: str) -> dict[str, str]:
    """Versions of those packages that are installed under these distribution names."""
    found: dict[str, str] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _max_length(config: Mapping[str, Any], asked: int | None, ceiling: int | None) -> int | None:
    """Prompt plus answer, in tokens; None where neither the model nor the user says."""
    most = most_positions(config)
    if asked is not None and most is not None and asked > most:
        raise UserError(f"the model takes {most} tokens, not {asked}", place="--max-model-len", fix=f"at most {most}")
    if asked is not None:
        return asked
    return min((n for n in (most, ceiling) if n is not None), default=None)


def most_positions(config: Mapping[str, Any]) -> int | None:
    """Tokens of prompt and answer together that an architecture has positions for; None where it does not say."""
    return next((int(config[key]) for key in _LENGTH_KEYS if config.get(key)), None)


def end_of_turn(renderer: Renderer) -> Iterable[int]:
    """The special token that the template writes straight after an assistant's content, if it does."""
    probe = "listeval-probe"
    try:
        text = renderer.text((Message("user", "x"), Message("assistant", probe)), complete=True)
    except UserError:
        return ()
    _, found, tail = text.rpartition(probe)
    ids = renderer.encode(tail) if found else ()
    added = renderer.tokenizer.added_tokens_decoder
    return ids[:1] if ids and ids[0] in added and added[ids[0]].special else ()


def _as_ids(value: Any) -> Iterable[int]:
    values = value if isinstance(value, list) else [value]
    return [i for i in values if isinstance(i, int) and i >= 0]


def _json(file: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except ValueError as error:
        raise UserError(f"{file.name} is not JSON: {error}", place=str(file), fix="copy the checkpoint again") from None
    if not isinstance(content, dict):
        raise UserError(f"{file.name} is not a JSON object", place=str(file), fix="copy the checkpoint again")
    return content


def check_torchvision() -> None:
    """A CUDA-built torchvision beside a CPU torch kills every import of a transformers model; say so first."""
    if find_spec("torch") is None or find_spec("torchvision") is None:
        return
    import torch

    if torch.version.cuda is not None:
        return
    try:
        import_module("torchvision")
    except (RuntimeError, OSError, ImportError) as error:
        raise UserError(
            f"the installed torchvision does not fit this CPU build of torch ({first_line(error)})",
            place="torchvision",
            fix="pip uninstall -y torchvision torchaudio torchcodec",
        ) from error


def refuse_unused(options: object, backend: str, names: Sequence[str]) -> None:
    """Raise UserError for an option that was set although it would change nothing here."""
    for name in names:
        if getattr(options, name) is not None:
            flag = f"--{name.replace('_', '-')}"
            raise UserError(f"the {backend} backend has no use for {flag}", place=flag, fix="leave it out")
