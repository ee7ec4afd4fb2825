"""Whether a model folder is complete, seen from its file names and headers alone, before anything is loaded.

What is missing here would otherwise show minutes later, or never: transformers makes an empty tokenizer of a folder
that has none, and some loaders take a torn file for an old format.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from listeval.errors import UserError, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_TOKENIZERS = (
    "tokenizer.json", "tokenizer.model*", "tekken.json", "vocab*", "merges.txt", "*.model", "*.tiktoken", "*.spm",
)  # fmt: skip
_SHARD = re.compile(r"(.+)-\d+-of-(\d+)(\.safetensors|\.bin)")
_POINTER = b"version https://git-lfs"
_AGAIN = "copy it again"
_NO_MODEL = "the model cannot be loaded"
_PROBE = """The dress fits, R3Z9: [{"review_id": "A1B2", "score": 7.5}]\n\n  été, 12345"""
_HEADER_MOST = 100 << 20
"""Bound on a safetensors header, which is what the format itself allows."""


def check_tokenizer(folder: Path) -> None:
    """Raises UserError for a folder without the files of a tokenizer, or with pointers in their place."""
    found = sorted({file for pattern in _TOKENIZERS for file in folder.glob(pattern) if file.is_file()})
    if not found:
        fix = "copy tokenizer.json and tokenizer_config.json of the model that it was made from, or --tokenizer PATH"
        raise UserError("no tokenizer can be loaded: the model folder has none", place=str(folder), fix=fix)
    for file in found:
        _check_present(file, "no tokenizer can be loaded")


def check_reading(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Raises UserError where a tokenizer without a tokenizer_config.json reads text otherwise than its tokenizer.json.

    Without that file transformers guesses the tokenizer's class from the model's and may rebuild it as another one.
    """
    file = folder / "tokenizer.json"
    if (folder / "tokenizer_config.json").is_file() or not file.is_file():
        return
    from tokenizers import Tokenizer

    try:
        own = Tokenizer.from_file(str(file)).encode(_PROBE, add_special_tokens=False).ids
    except Exception as error:  # noqa: BLE001 - the library raises no other
        raise UserError(f"tokenizer.json cannot be read: {first_line(error)}", place=str(file), fix=_AGAIN) from None
    if own != tokenizer.encode(_PROBE, add_special_tokens=False):
        cause = "without its tokenizer_config.json the tokenizer reads text otherwise than its tokenizer.json says"
        raise UserError(cause, place=str(folder), fix="copy tokenizer_config.json, too")


def check_weights(folder: Path) -> None:
    """Raises UserError for weights that are cut off, pointers in place of files, or shards that nothing lists."""
    shards = [file for file in sorted(folder.iterdir()) if _SHARD.fullmatch(file.name)]
    for file in shards:
        name, _, end = _SHARD.fullmatch(file.name).groups()  # type: ignore[union-attr]
        index = f"{name}{end}.index.json"
        if not (folder / index).is_file() and not (folder / f"{name}{end}").is_file():
            cause = f"{_NO_MODEL}: its weights are in parts, and {index}, which lists them, is missing"
            raise UserError(cause, place=str(folder), fix="copy it, too")
    for file in [*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")]:
        _check_present(file, _NO_MODEL)
        if file.suffix == ".safetensors":
            _check_whole(file)


def _check_present(file: Path, so: str) -> None:
    if not file.stat().st_size:
        raise UserError(f"{so}: {file.name} is empty", place=str(file), fix=_AGAIN)
    with file.open("rb") as stream:
        if stream.read(len(_POINTER)) == _POINTER:
            cause = f"{so}: {file.name} is a Git LFS pointer, not the file"
            raise UserError(cause, place=str(file), fix="git lfs pull")


def _check_whole(file: Path) -> None:
    """A safetensors file begins with the length of its header, and the header says where the last tensor ends."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = stream.read(length) if length <= min(size, _HEADER_MOST) else b""
    try:
        tensors = json.loads(header)
        ends = [tensor["data_offsets"][1] for name, tensor in tensors.items() if name != "__metadata__"]
        due = 8 + length + max(ends, default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise UserError(f"{_NO_MODEL}: {file.name} is damaged", place=str(file), fix=_AGAIN) from None
    if size < due:
        cause = f"{_NO_MODEL}: {file.name} is cut off: {size:,} of {due:,} bytes"
        raise UserError(cause, place=str(file), fix=_AGAIN)
