"""What is to be pushed: a checkpoint folder, and the record of the training that it lies in, where there is one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from listeval.disk import read_regular
from listeval.errors import UserError, first_line
from listeval.models.complete import check_tokenizer, check_weights
from listeval.models.resolve import fingerprint, resolve

_STEP = re.compile(r"step-(\d+)")


class Origin(NamedTuple):
    """A complete checkpoint; `manifest` and `recipe` are empty where nobody knows how it was made."""

    checkpoint: Path
    fingerprint: str
    manifest: Mapping[str, Any]
    recipe: Mapping[str, Any]
    step: int | None = None
    """After which optimiser step, of a checkpoint on the way."""


def find_origin(given: Path) -> Origin:
    """Of a training's directory or a checkpoint folder.

    Raises UserError where there is neither, where the training has not written its checkpoint, and where a file of
    either is damaged.
    """
    if not given.is_dir():
        raise UserError("there is no such folder", place=str(given), fix="name a training's directory or a checkpoint")
    folder = given
    if not (given / "config.json").is_file() and (given / "log.jsonl").is_file():
        folder = given / "checkpoint"
        if not folder.is_dir():
            fix = f"finish it (--out {given} --resume), or name one of its checkpoints"
            raise UserError("this training has written no checkpoint yet", place=str(given), fix=fix)
    path = resolve(str(folder.absolute())).path
    check_weights(path)
    check_tokenizer(path)
    manifest, recipe = _record(path)
    step = _STEP.fullmatch(path.name)
    return Origin(path, fingerprint(path), manifest, recipe, int(step[1]) if step else None)


def _record(checkpoint: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Manifest and recipe: in the folder itself, as shipped checkpoints have them, else in the training around it."""
    above = checkpoint.parent.parent if checkpoint.parent.name == "checkpoints" else checkpoint.parent
    for manifest, recipe in (
        (checkpoint / "training.json", checkpoint / "recipe.yaml"),
        (above / "manifest.json", above / "recipe.yaml"),
    ):
        if recipe.is_file() and manifest.is_file():
            return _mapping(manifest), _mapping(recipe)
    return {}, {}


def _mapping(file: Path) -> Mapping[str, Any]:
    try:
        text = read_regular(file)
        found = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(f"it cannot be read: {first_line(error)}", place=str(file), fix="restore it") from None
    if not isinstance(found, dict):
        raise UserError("it does not hold a training's record", place=str(file), fix="restore it, or move it away")
    return found
