"""What is wrong with the names and options in a suite's file, found over all its runs before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from listeval.backends import choose
from listeval.backends.played import playing
from listeval.decoding.constraint import check_engine
from listeval.errors import UserError, UserErrors, did_you_mean
from listeval.models.resolve import check_name
from listeval.plugins.registry import find, load_task
from listeval.runs.config import RunConfig
from listeval.suites.expand import Keys, PlannedRun
from listeval.suites.file import OpenedSuite, fault, line_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_LOCAL = ("auto", "hf", "vllm", "ray")
"""Backends whose model is a folder, a hub id or a packaged model."""


def name_faults(suite: OpenedSuite, runs: Iterable[PlannedRun]) -> list[UserError]:
    """Tasks, backends, engines and models that there are not, each once, with its line; no task is imported."""
    found: dict[str, UserError] = {}
    known: dict[tuple[str, ...], UserError | None] = {}
    for run in runs:
        for key, check in _names(run.config):
            asked = (key, getattr(run.config, key), run.config.backend)
            if asked not in known:
                known[asked] = _raised_by(check)
            if (error := known[asked]) is not None:
                place = suite.file.place(_origin(suite, run, key))
                told = UserError(error.cause, place=place, fix=error.fix)
                found.setdefault(str(told), told)
    return list(found.values())


def _raised_by(check: Callable[[], object]) -> UserError | None:
    try:
        check()
    except UserError as error:
        return error
    return None


def option_faults(suite: OpenedSuite, runs: Iterable[PlannedRun]) -> list[UserError]:
    """Options that a task has not, or that it does not take so, each once, with its line.

    Tasks are imported; what is wrong with one of them is left for its run to say.
    """
    found: dict[str, UserError] = {}
    known: dict[str, list[ErrorDetails]] = {}
    for run in runs:
        asked = f"{run.config.task} {run.config.options!r}"
        if asked not in known:
            known[asked] = _refused(run.config)
        for told in known[asked]:
            error = _option_fault(suite, run, told)
            found.setdefault(str(error), error)
    return list(found.values())


def refuse(found: list[UserError]) -> None:
    """Raises all faults as one, in the order of the file's lines; none is none."""
    if found:
        raise UserErrors(sorted(found, key=line_of))


def _names(config: RunConfig) -> Iterator[tuple[str, Callable[[], object]]]:
    """The keys that hold a name that can be looked up, and what raises UserError for an unknown one."""
    yield "task", partial(find, config.task)
    if config.backend != "auto":
        yield "backend", partial(choose, config.backend)
    if config.engine is not None:
        yield "engine", partial(check_engine, config.engine)
    if config.backend == "null":
        yield "model", partial(playing, config.model)
    elif config.serve or config.backend in _LOCAL:
        yield "model", partial(check_name, config.model)


def _origin(suite: OpenedSuite, run: PlannedRun, key: str) -> Keys:
    """The way to the value of `key` that the run has; empty where the file has none."""
    for source in reversed(run.sources):
        entry = _at(suite, source)
        if isinstance(entry, Mapping) and entry.get(key) is not None:
            return (*source, key)
        if isinstance(entry, str) and source[0] == f"{key}s":
            return source
    return ()


def _at(suite: OpenedSuite, way: Keys) -> Any:
    """The value of the file behind `way`, None where it has none."""
    found: Any = suite.file.values
    for key in way:
        try:
            found = found[key]
        except (KeyError, IndexError, TypeError):
            return None
    return found


def _refused(config: RunConfig) -> list[ErrorDetails]:
    try:
        load_task(config.task).Options.model_validate(config.options)
    except ValidationError as error:
        return error.errors()
    except UserError:
        pass
    return []


def _option_fault(suite: OpenedSuite, run: PlannedRun, told: ErrorDetails) -> UserError:
    config, task = run.config, _origin(suite, run, "task")
    name = str(told["loc"][0]) if told["loc"] else ""
    way = _option_origin(suite, run, name)
    if told["type"] == "extra_forbidden":
        place = suite.file.place(way[: way.index(name) + 1])  # of several values, the line of the name
        fix = did_you_mean(name, load_task(config.task).Options.option_names())
        return UserError(f"task '{config.task}' has no option '{name}'", place=place, fix=fix)
    if told["type"] == "missing":
        fix = f"add options: {{{name}: ...}} to the task"
        return UserError(f"task '{config.task}' is given no '{name}'", place=suite.file.place(task), fix=fix)
    return fault(told, [*(way or task)], [], suite.file)


def _option_origin(suite: OpenedSuite, run: PlannedRun, name: str) -> Keys:
    """The way to the value of an option that the run has: a setting's wins; empty where the file gives none."""
    tasks = next((source for source in run.sources if source[:1] == ("tasks",)), ())
    for way in ((*tasks, "settings", name), ("settings", name)):
        if isinstance(values := _at(suite, way), list):
            value = run.config.options.get(name)
            return (*way, values.index(value)) if value in values else way
    ways = ((*source, "options", name) for source in reversed(run.sources))
    return next((way for way in ways if _at(suite, way) is not None), ())
