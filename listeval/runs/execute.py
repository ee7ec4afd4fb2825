"""`run`: check task and data, open the model, then render, generate, parse, score and append until nothing is owed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from listeval.backends import choose, open_backend
from listeval.decoding.bind import bind
from listeval.errors import UserError
from listeval.runs import plan
from listeval.runs.config import RunConfig
from listeval.runs.lock import exclusive
from listeval.runs.manifest import (
    Manifest,
    check_same_identity,
    check_same_run,
    has_rows,
    no_manifest,
    read_manifest,
)
from listeval.runs.observer import Observer, Silent
from listeval.runs.prove import prove
from listeval.runs.session import Session
from listeval.runs.store import Run
from listeval.task import Dataset, Task


def run(config: RunConfig, observer: Observer | None = None) -> Run:
    """Make every row that `config` owes and return the finished run.

    Task and data are checked before the model is opened. Raises UserError for anything a user
    can put right; KeyboardInterrupt passes through. Either way the rows so far are on disk and
    the same call goes on from them.
    """
    task = plan.make_task(config.task, config.options)
    plan.permit(task, config.allow_code_execution)
    return run_task(task, config, observer or Silent())


def run_task(task: Task, config: RunConfig, watch: Observer) -> Run:
    """`run` with a task that is at hand, whatever `config` calls it."""
    config = config.resolved(task.max_tokens, choose(config.backend))
    data = plan.load_data(task, config)
    if config.decoding is not None:
        bind(config.decoding, plan.first_contract(task, data, config))
    with plan.ready(task):
        finished = _work(task, config, data, watch)
        if finished.hidden:
            watch.note(f"{finished.hidden} further rows of this run are kept; --limit or --samples leaves them out")
        finished.conclude(task)
    return finished


def _work(task: Task, config: RunConfig, data: dict[int, Dataset], watch: Observer) -> Run:
    """Open the model and make every row that is owed."""
    if config.out:
        _check_before_opening(config, plan.unopened_identity(config, task, data))
    watch.note(f"opening {config.model} with {config.backend}")
    backend = open_backend(config.backend, config.model, config.backend_options)
    try:
        manifest = plan.make_manifest(config, task, data, backend)
        directory = Path(config.out) if config.out else plan.default_out(manifest)
        make_directory(directory)
        with exclusive(directory):
            manifest = _adopt(manifest, directory)
            if config.decoding is not None:
                contract = plan.first_contract(task, data, config)
                prove(backend, config.decoding, contract, manifest, directory, watch)
            watch.begin(sum(len(plan.chosen(dataset, config)) for dataset in data.values()))
            Session(task, backend, manifest, directory, watch).work(plan.samples(task, data, manifest))
    finally:
        backend.close()
    return Run(directory, manifest)


def _check_before_opening(config: RunConfig, identity: dict[str, Any]) -> None:
    """Refuse another run's directory, before anything is sent to a server; what only the model tells is checked later.

    Raises UserError naming what differs.
    """
    directory = Path(config.out or "")
    if not os.path.lexists(directory / "manifest.json"):
        if has_rows(directory):
            raise no_manifest(directory)
        return
    old = read_manifest(directory)
    known = {name: value for name, value in old.identity.items() if name not in ("model", "dtype")}
    check_same_identity(known, identity, directory)


def make_directory(directory: Path) -> None:
    """Create a run's directory. Raises UserError where that is not possible."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot create the run: {error.strerror}", place=str(directory), fix="choose another --out"
        ) from None


def _adopt(new: Manifest, directory: Path) -> Manifest:
    """The manifest to go on with: the history of an earlier attempt, the configuration of this one."""
    if os.path.lexists(directory / "manifest.json"):
        old = read_manifest(directory)
        check_same_run(old, new, directory)
        # Settings and versions stay those behind the rows until this process makes one.
        new = new.model_copy(update={"created": old.created, "attempts": old.attempts, "backend": old.backend})
    elif has_rows(directory):
        raise no_manifest(directory)
    new.write(directory)
    return new
