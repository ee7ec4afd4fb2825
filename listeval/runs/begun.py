"""What stands on disk of the run that a configuration would go on with, before a model is opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from glob import escape
from pathlib import Path

from listeval.errors import UserError
from listeval.runs.config import RunConfig
from listeval.runs.manifest import Manifest, check_unopened, read_manifest
from listeval.runs.preparation import load_data, settled, unopened_identity
from listeval.task import Task


def seeds_of_both(config: RunConfig, task: Task) -> int:
    """How many seeds the run has when it is made: its own and those of a run that it goes on with.

    Without `out` only the opened model tells which directory that is; of all that may be, the most seeds count.
    """
    own = set(config.seeds)
    return max([len(own.union(found.config.seeds)) for found in _found(config, task)], default=len(own))


def _found(config: RunConfig, task: Task) -> Iterator[Manifest]:
    if config.out is not None:
        yield from _read(Path(config.out))
        return
    begun = [(path, one) for path in Path("runs").glob(f"{escape(task.name)}-*") for one in _read(path)]
    alike = [(path, one) for path, one in begun if one.config.model == config.model]
    try:
        own = settled(config, task)
        identity = unopened_identity(own, task, load_data(task, own)) if alike else {}
    except UserError:
        return  # running it will say
    for path, one in alike:
        with suppress(UserError):
            check_unopened(one, identity, path)
            yield one


def _read(directory: Path) -> Iterator[Manifest]:
    """The manifest of a run; nothing where there is none, or none that can be read, which running it will say."""
    try:
        yield read_manifest(directory)
    except UserError:
        return
