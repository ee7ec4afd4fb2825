"""Several values of a task's option on one command line: `--set k=2,4,8` is three runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from listeval.plugins.registry import load_task
from listeval.runs.config import RunConfig
from listeval.runs.plain_yaml import load_plain
from listeval.suites.expand import PlannedRun, clean
from listeval.task import TaskOptions


def axes(config: RunConfig) -> dict[str, list[Any]]:
    """The options that are given several values, and these: a list or words between commas that the option itself does
    not take, and whose every part it takes. Empty for a plain run. Raises UserError for an unknown task.
    """
    candidates = {name: parts for name, value in config.options.items() if len(parts := _parts(value)) > 1}
    if not candidates:
        return {}
    options = load_task(config.task).Options
    return {
        name: parts
        for name, parts in candidates.items()
        if not _takes(options, name, config.options[name]) and all(_takes(options, name, part) for part in parts)
    }


def planned(configs: Sequence[RunConfig], found: Mapping[str, list[Any]]) -> list[PlannedRun]:
    """A run of each configuration for each combination, below `out` in a directory of its own where there is one.

    Configurations differ in their adapter, if there are several.
    """
    runs = []
    for config, chosen in product(configs, product(*found.values())):
        own = dict(zip(found, chosen, strict=True))
        name = clean("_".join(f"{option}={value}" for option, value in own.items()))
        out = None if config.out is None else str(Path(config.out) / name)
        update = {"options": {**config.options, **own}, "out": out}
        if len(configs) > 1:
            name = clean(f"{Path(config.adapter or 'base').name}_{name}")
        runs.append(PlannedRun(name, name, config.model_copy(update=update)))
    return runs


def _parts(value: object) -> list[Any]:
    if isinstance(value, list):
        parts = value
    elif isinstance(value, str):
        parts = [_read(part.strip()) for part in value.split(",") if part.strip()]
    else:
        return []
    return [part for at, part in enumerate(parts) if part not in parts[:at]]


def _read(text: str) -> Any:
    try:
        return load_plain(text)
    except yaml.YAMLError:
        return text


def _takes(options: type[TaskOptions], name: str, value: object) -> bool:
    """Whether the option takes the value, whatever others say."""
    try:
        options.model_validate({name: value})
    except ValidationError as error:
        return all(name not in found["loc"][:1] for found in error.errors())
    return True
