"""From a suite's file to its runs: every task with every combination of its settings, model, adapter and constraint."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from listeval.errors import UserError
from listeval.runs.config import RunConfig, build_config
from listeval.runs.run_adapters import BASE
from listeval.suites.file import OpenedSuite, parts

MOST = 1000
"""Runs of a suite; a file that multiplies to more was hardly meant so."""
_LONGEST = 120
Keys = tuple[str | int, ...]
"""The way to a value of the file: `("models", 1, "dtype")`."""
_UNFIT = re.compile(r"[^A-Za-z0-9._=+@-]+")


class PlannedRun(NamedTuple):
    """One run of a suite. `name` is its directory's; those of one `group` differ in model, adapter and constraint."""

    name: str
    group: str
    config: RunConfig
    sources: tuple[Keys, ...] = ()
    """Where in the suite's file its values come from; of two that give the same key the later wins."""


class _Choice(NamedTuple):
    """One entry of an axis: what it is called, what it says of the run, and where in the file it stands."""

    label: str
    values: Mapping[str, Any]
    place: Keys
    settings: Mapping[str, Any] = {}
    """The value of each setting, which a task's entry is called after: no entry changes it."""


def expand(suite: OpenedSuite, given: Mapping[str, Any], out: Path) -> list[PlannedRun]:
    """The runs in the order of tasks, settings, models, adapters and constraints, each in its directory below `out`.

    `given` are values that the user's command line sets for all of them. Raises UserError for more than MOST runs, for
    two of one name, and for what only the whole configuration shows to be wrong.
    """
    asked = _asked(suite)
    models, ways = _choices(suite, "models", _model_label), _choices(suite, "constraints", _way_label)
    adapters = [_adapter(part, ("adapters", at)) for at, part in enumerate(parts(suite.content, "adapters"))]
    count = asked.size * len(models) * len(adapters) * len(ways)
    if count > MOST:
        raise UserError(f"{count:,} runs, at most {MOST:,} are one suite", place=str(suite.file.path), fix="split it")
    common = suite.content.given
    runs = []
    for task, model, adapter, way in product(asked.choices(), models, adapters, ways):
        labels = [choice.label for choice in (task, model, adapter, way) if choice.label]
        group, name = clean(task.label), clean("_".join(labels))
        settings = {"options": task.settings}
        values = _joined(common, task.values, model.values, adapter.values, way.values, given, settings)
        values["out"] = str(out / name)
        sources = ((), *(choice.place for choice in (task, model, adapter, way)))
        runs.append(PlannedRun(name, group, _built(values, name, suite), sources))
    _refuse_twins([run.name for run in runs], suite)
    return runs


def _choices(suite: OpenedSuite, axis: str, label: Callable[[Mapping[str, Any]], str]) -> list[_Choice]:
    """The entries of an axis, called by their `name`, or by what `label` makes of their values."""
    entries = enumerate(parts(suite.content, axis))
    return [_Choice(part.name or label(part.given), part.given, (axis, at)) for at, part in entries]


class _Asked(NamedTuple):
    """The tasks of a suite, each with its settings."""

    tasks: Sequence[tuple[_Choice, Mapping[str, Sequence[Any]]]]

    @property
    def size(self) -> int:
        return sum(prod(map(len, settings.values())) for _, settings in self.tasks)

    def choices(self) -> Iterator[_Choice]:
        """Every task with every combination of its settings."""
        for task, settings in self.tasks:
            for chosen in product(*settings.values()):
                options = dict(zip(settings, chosen, strict=True))
                label = "_".join([task.label, *(f"{name}={value}" for name, value in options.items())])
                yield task._replace(label=label, settings=options)


def _asked(suite: OpenedSuite) -> _Asked:
    tasks = []
    for at, part in enumerate(parts(suite.content, "tasks")):
        settings = {**suite.content.settings, **part.settings}
        tasks.append((_Choice(part.name or part.task, part.given, ("tasks", at)), settings))
    return _Asked(tasks)


def _joined(*sources: Mapping[str, Any]) -> dict[str, Any]:
    """What each source says of a run, a later one winning; mappings (`options`, `engine_arg`) are joined by name."""
    found: dict[str, Any] = {}
    for source in sources:
        for key, value in source.items():
            old = found.get(key)
            if isinstance(old, Mapping) and isinstance(value, Mapping):
                # The later names come last: of two spellings of one name (`a-b`, `a_b`) a configuration takes the last.
                value = {**{name: own for name, own in old.items() if name not in value}, **value}
            found[key] = value
    return found


def _model_label(values: Mapping[str, Any]) -> str:
    return Path(str(values["model"]).rstrip("/")).name or "model"


def _adapter(part: Any, place: Keys) -> _Choice:
    """An entry of `adapters`; the base alone adds nothing to a run's name."""
    values = dict(part.given)
    if values["adapter"] == BASE:
        return _Choice(part.name or "", {name: value for name, value in values.items() if name != "adapter"}, place)
    return _Choice(part.name or Path(values["adapter"].rstrip("/")).name or "adapter", values, place)


def _way_label(values: Mapping[str, Any]) -> str:
    return "-".join(str(values[name]) for name in ("constraint", "engine", "spacing") if values.get(name))


def clean(name: str) -> str:
    """As a directory: no separator, nothing hidden, not too long."""
    fit = _UNFIT.sub("-", name).lstrip(".-") or "run"
    return fit if len(fit) <= _LONGEST else f"{fit[:_LONGEST]}-{sha256(name.encode()).hexdigest()[:8]}"


def _built(values: dict[str, Any], name: str, suite: OpenedSuite) -> RunConfig:
    try:
        return build_config({key: value for key, value in values.items() if value is not None})
    except UserError as error:
        error.place = error.place or f"{suite.file.path}, run {name}"
        raise


def _refuse_twins(names: Sequence[str], suite: OpenedSuite) -> None:
    known: dict[str, str] = {}
    for name in names:
        # Some disks tell no capitals from small letters.
        if name.lower() in known:
            fix = "give one of the entries a 'name'"
            raise UserError(f"two runs would be called '{name}'", place=str(suite.file.path), fix=fix)
        known[name.lower()] = name
