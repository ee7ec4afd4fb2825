"""From what a user types as a model to a checkpoint folder: a path, a hub id, or a packaged model's short name.

The order is fixed, so a name means the same in every working directory: a known short name,
then an existing path, then a hub id `owner/name`. A folder that shares a short name is
written as a path (`./smollm2`).
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from listeval.disk import user_path
from listeval.errors import UserError, did_you_mean
from listeval.models.short_names import SHORT_NAMES

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_IDENTITY = (
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "*.jinja",
    "*.model",
)
_OTHER_FORMATS = ("*.bin", "*.pt", "*.pth", "*.gguf", "*.onnx", "*.h5", "*.msgpack", "*.tflite", "original/*", "onnx/*")
_MIB = 1 << 20
_WHOLE = 1 << 30
_CHUNKS = 256


class ModelPath(NamedTuple):
    """A model's name as the user gave it, and the checkpoint folder behind it."""

    name: str
    path: Path


def resolve(model: str) -> ModelPath:
    """The checkpoint folder of `model`, unpacked or downloaded where needed.

    Raises UserError where there is none: an unknown name, a folder without config or weights,
    a package that is not installed, a hub that is unreachable or asks for a licence.
    """
    path = located(model)
    return ModelPath(model, _checked(_download(model) if path is None else path, model))


def located(model: str) -> Path | None:
    """The folder of `model` here, unpacked where it is packaged; None for a hub id. Nothing is downloaded.

    Raises UserError where it is neither.
    """
    if model in SHORT_NAMES:
        return SHORT_NAMES[model].checkpoint()
    path = user_path(model)
    if path.exists():
        return path
    if _HUB_ID.fullmatch(model) and not model.startswith("."):
        return None
    check_name(model)
    raise UserError("there is no such model folder", place=model, fix="check the path")


def check_name(model: str) -> None:
    """Raises UserError for what is neither a packaged model's name nor there nor written as a path or a hub id.

    Nothing is unpacked or downloaded.
    """
    if model in SHORT_NAMES or "/" in model or model.startswith(("~", ".")) or user_path(model).exists():
        return
    raise UserError(
        f"'{model}' is no folder, no hub id (owner/name) and no packaged model",
        place="--model",
        fix=did_you_mean(model, list(SHORT_NAMES)),
    )


def fingerprint(path: Path) -> str:
    """sha256 over config, tokenizer and weights: `sha256:<hex>`.

    Files up to 1 GiB are hashed whole. Of larger ones the size and 256 evenly spaced chunks
    of 1 MiB (the first and the last among them) are hashed, so a 60 GB model takes seconds;
    an edit that keeps the size and every one of those chunks would go unseen.
    """
    digest = sha256()
    for file in sorted({f for pattern in (*_IDENTITY, *_WEIGHTS) for f in path.glob(pattern)}):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        digest.update(file_digest(file))
    return f"sha256:{digest.hexdigest()}"


def file_digest(file: Path) -> bytes:
    """sha256 of a file, as `fingerprint` reads it."""
    size = file.stat().st_size
    digest = sha256()
    with file.open("rb") as stream:
        if size <= _WHOLE:
            while block := stream.read(_MIB):
                digest.update(block)
        else:
            for i in range(_CHUNKS):
                stream.seek(i * (size - _MIB) // (_CHUNKS - 1))
                digest.update(stream.read(_MIB))
    return digest.digest()


def _checked(path: Path, model: str) -> Path:
    """`path` if it holds a complete checkpoint."""
    if not path.is_dir():
        raise UserError("a model is a checkpoint folder, not a file", place=model, fix="convert it, or give its folder")
    if not (path / "config.json").is_file():
        if (path / "adapter_config.json").is_file():
            fix = f"name its base, and add --adapter {model}"
            raise UserError("this is an adapter, not a model", place=model, fix=fix)
        raise UserError("the model folder has no config.json", place=model, fix="give the folder of a saved checkpoint")
    for index in _INDEXES:
        if (path / index).is_file():
            _check_shards(path, index, model)
            return path
    if not any(next(path.glob(pattern), None) for pattern in _WEIGHTS):
        raise UserError("the model folder has no weights (*.safetensors)", place=model, fix="copy the weights into it")
    return path


def _check_shards(path: Path, index: str, model: str) -> None:
    try:
        shards = set(json.loads((path / index).read_bytes())["weight_map"].values())
    except (ValueError, KeyError, AttributeError, TypeError):
        raise UserError(f"{index} is damaged", place=model, fix="copy the checkpoint again") from None
    if missing := sorted(shard for shard in shards if not (path / shard).is_file()):
        raise UserError(f"{len(missing)} weight files are missing, first {missing[0]}", place=model, fix="copy them")


def _download(repo: str) -> Path:
    """The snapshot of a hub id; only the local copy where HF_HUB_OFFLINE is set."""
    try:
        from huggingface_hub import constants, errors, snapshot_download
    except ImportError:
        raise UserError.missing_package("huggingface_hub", "pip install 'listeval[cpu]'", "a hub id") from None
    offline = bool(constants.HF_HUB_OFFLINE)
    try:
        path = Path(snapshot_download(repo, ignore_patterns=list(_OTHER_FORMATS), local_files_only=offline))
        if not any(path.glob("*.safetensors")):
            path = Path(snapshot_download(repo, allow_patterns=["*.json", "*.bin"], local_files_only=offline))
    except errors.GatedRepoError:
        raise UserError(
            "this model is gated",
            place=repo,
            fix=f"accept its terms at https://huggingface.co/{repo}, then `hf auth login`",
        ) from None
    except errors.RepositoryNotFoundError:
        raise UserError("the hub has no such model, or it is private", place=repo, fix="check the id") from None
    except (errors.HFValidationError, OSError) as error:
        why = "it is not in the local cache and HF_HUB_OFFLINE is set" if offline else "the hub cannot be reached"
        raise UserError(f"{why} ({type(error).__name__})", place=repo, fix="give a local checkpoint folder") from error
    return path
