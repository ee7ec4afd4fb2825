"""A LoRA adapter's folder, read before any engine loads it: what it is, and whether it belongs to a base model.

Of peft's formats: `adapter_config.json` beside `adapter_model.safetensors`. Nothing in it names code that is run: a
pickle (`adapter_model.bin`) is refused, and so is a configuration that would have peft import a module it names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from listeval.disk import user_path
from listeval.errors import UserError, first_line
from listeval.models.quantized import of_folder
from listeval.models.resolve import file_digest, fingerprint
from listeval.models.short_names import SHORT_NAMES

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PLACE = "--adapter"
_NO_NUMBERS = frozenset({"base_model_name_or_path", "revision", "inference_mode", "peft_version", "task_type"})
"""Keys of a configuration that change nothing that is computed."""
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_CACHED = re.compile(r"models--([\w.-]+?)--([\w.-]+)")
_LAYER = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_(A|B)(?:\.\w+)?\.weight")

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter that was read, but not loaded. `fingerprint` hashes its weights and what changes numbers."""

    name: str
    path: str
    fingerprint: str
    rank: int
    """The largest of its layers."""
    base: str | None
    """The model that it says it was trained on."""


def open_adapter(given: str) -> Adapter:
    """Read the adapter in the folder `given`. Raises UserError where there is none that can be loaded safely."""
    folder = user_path(given)
    if not (folder / CONFIG).is_file():
        what = f"the folder has no {CONFIG}" if folder.is_dir() else "there is no such folder"
        raise UserError(f"no adapter: {what}", place=given, fix="name the folder that peft saved")
    _config(folder)
    if not (folder / WEIGHTS).is_file():
        cause = f"the adapter has no {WEIGHTS}"
        raise UserError(cause, place=given, fix="save it with peft's save_pretrained, which writes safetensors")
    stamps = [(file.stat().st_mtime_ns, file.stat().st_size) for file in (folder / CONFIG, folder / WEIGHTS)]
    return _read(folder.resolve(), *stamps)


@lru_cache(maxsize=64)
def _read(folder: Path, *stamps: tuple[int, int]) -> Adapter:
    """Once for files of one age and size: a run asks for its adapter at every step of its preparation."""
    config = _config(folder)
    ranks = [shape[0] for _, part, shape in _layers(_shapes(folder / WEIGHTS)) if part == "A" and shape]
    if not ranks:
        raise UserError("the adapter has no LoRA weights", place=str(folder / WEIGHTS), fix="save the adapter again")
    told = {name: _ordered(value) for name, value in config.items() if name not in _NO_NUMBERS}
    digest = sha256(json.dumps(told, sort_keys=True).encode() + file_digest(folder / WEIGHTS))
    base = config.get("base_model_name_or_path")
    return Adapter(folder.name, str(folder), f"sha256:{digest.hexdigest()}", max(ranks), base if base else None)


def check_base(adapter: Adapter, model: str, path: Path, known: str) -> None:
    """Raises UserError unless `adapter` fits the model called `model`, whose folder is `path` and fingerprint `known`.

    It has to be trained on that model, as far as its name can be looked up: a folder or short name of this machine by
    its weights, a hub id by its name. Then every layer that it changes has to be there, in its shape.
    """
    if _of_another(adapter.base, model, path, known):
        cause = f"the adapter was trained on '{adapter.base}', not on '{model}'"
        fix = f"--model {adapter.base}; if both are the same weights, correct base_model_name_or_path in its {CONFIG}"
        raise UserError(cause, place=adapter.path, fix=fix)
    wrong = _misfit(Path(adapter.path), path)
    if wrong:
        raise UserError(
            f"the adapter is of another model than '{model}': {wrong}", place=adapter.path, fix="name its base"
        )


def _config(folder: Path) -> dict[str, Any]:
    place = str(folder / CONFIG)
    try:
        found = json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{CONFIG} cannot be read: {first_line(error)}", place=place, fix="copy it again") from None
    if not isinstance(found, dict):
        raise UserError(f"{CONFIG} is not a JSON object", place=place, fix="copy it again")
    if found.get("peft_type") != "LORA":
        kind = found.get("peft_type")
        raise UserError(
            f"the adapter is of the kind {kind!r}, not LORA", place=place, fix="merge it into its base with peft"
        )
    if found.get("megatron_config"):
        raise UserError(
            "the adapter names code to import (megatron_core)", place=place, fix="merge it into its base with peft"
        )
    return found


def _shapes(file: Path) -> dict[str, Shape]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f"{file.name} is damaged: {first_line(error)}", place=str(file), fix="copy it again") from None


def _layers(shapes: Mapping[str, Shape]) -> Iterator[tuple[str, str, Shape]]:
    """Layer, `A` or `B`, and shape of each LoRA matrix."""
    for name, shape in shapes.items():
        if found := _LAYER.fullmatch(name):
            yield found[1], found[2], shape


def _ordered(value: Any) -> Any:
    """peft saves sets as lists, in any order."""
    return sorted(value, key=str) if isinstance(value, list) else value


def _of_another(base: str | None, model: str, path: Path, known: str) -> bool:
    """Whether the name of the base can be looked up and is another model."""
    if not isinstance(base, str):
        return False
    folder = SHORT_NAMES[base].checkpoint() if base in SHORT_NAMES and SHORT_NAMES[base].installed else Path(base)
    if (folder / "config.json").is_file():
        return folder.resolve() != path.resolve() and fingerprint(folder) != known
    here = _hub_id(model, path)
    return here is not None and _HUB_ID.fullmatch(base) is not None and here.lower() != base.lower()


def _hub_id(model: str, path: Path) -> str | None:
    """What the hub calls the model, if it came from there."""
    cached = next((found for part in path.parts if (found := _CACHED.fullmatch(part))), None)
    if cached is not None:
        return f"{cached[1]}/{cached[2]}"
    return model if _HUB_ID.fullmatch(model) and not Path(model).exists() else None


def _misfit(adapter: Path, model: Path) -> str:
    """What of the model's weights the adapter does not fit; empty where it fits or the files do not tell."""
    if of_folder(model) is not None:
        return ""  # packed weights have shapes of their own
    own: dict[str, Shape] = {}
    for file in sorted(model.glob("*.safetensors")):
        own |= _shapes(file)
    layers = list(_layers(_shapes(adapter / WEIGHTS)))
    there = [layer for layer in layers if f"{layer[0]}.weight" in own]
    if not there:
        return ""  # some architectures are saved under other names than their layers have
    absent = next((layer for layer, _, _ in layers if f"{layer}.weight" not in own), None)
    if absent is not None:
        return f"that has no layer {absent}"
    for layer, part, shape in there:
        whole = own[f"{layer}.weight"]
        size = shape[-1] if part == "A" else shape[0]
        # A Conv1D keeps its weight the other way round.
        if size not in ((whole[-1], whole[0]) if _turned(adapter) else (whole[-1 if part == "A" else 0],)):
            return (
                f"{layer} is {'x'.join(map(str, whole))} there, and the adapter's {part} is {'x'.join(map(str, shape))}"
            )
    return ""


def _turned(adapter: Path) -> bool:
    return bool(_config(adapter).get("fan_in_fan_out"))
