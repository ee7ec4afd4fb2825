"""The configuration of an earlier run, or of a JSON or YAML file, as the values that a user chose."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

import yaml

from listeval.errors import UserError
from listeval.runs.manifest import read_manifest
from listeval.runs.plain_yaml import load_plain, merged_pairs


def decoded(content: bytes) -> str:
    """Text in the encoding that its byte order mark names; UTF-8 without one."""
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if marked else "utf-8-sig", "replace")


def read_config(path: Path) -> dict[str, Any]:
    """The configuration of an earlier run (its directory) or of a JSON or YAML file.

    A run's directory becomes its own `out`, so `listeval run @RUN` completes that run.
    Raises UserError where there is no such file or it is not a mapping.
    """
    if path.is_dir():
        return {**read_manifest(path).config.model_dump(mode="json"), "out": str(path)}
    try:
        text = decoded(path.read_bytes())
    except OSError as error:
        raise UserError(
            f"no configuration: {error.strerror}", place=str(path), fix="name a run or a config file"
        ) from None
    try:
        values = json.loads(text) if path.suffix == ".json" else load_plain(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        cause = f"not a configuration: {' '.join(str(error).split())}"
        raise UserError(cause, place=str(path), fix="correct the file") from None
    config = values.get("config", values) if isinstance(values, dict) else None
    if not isinstance(config, dict) or not all(isinstance(name, str) for name in config):
        raise UserError("not a configuration: no mapping of options", place=str(path), fix="write 'task: fashion' ...")
    return {**config, "backend": "null"} if _names_null(config, text) else config


def _names_null(config: dict[str, Any], text: str) -> bool:
    """Whether the file says `backend: null`: an engine's name, where YAML and JSON read that nothing is given.

    `backend:` and `backend: ~` give none.
    """
    if config.get("backend", "") is not None:
        return False
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return True  # JSON that is no YAML (tabs) has one way to write it.
    if not isinstance(root, yaml.MappingNode):
        return False
    pairs = merged_pairs(root)
    if isinstance(inner := pairs.get("config"), yaml.MappingNode):
        pairs = merged_pairs(inner)
    return str(pairs["backend"].value).lower() == "null"
