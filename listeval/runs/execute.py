"""`run`: check task and data, open the model, then render, generate, parse, score and append until nothing is owed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from listeval.backends.protocol import Backend, Logging, Recorded
from listeval.decoding.bind import bind
from listeval.disk import make_directory
from listeval.plugins import open as opening
from listeval.runs import preparation
from listeval.runs.config import RunConfig
from listeval.runs.engines import Engines
from listeval.runs.ledger import is_lost, mark, restore
from listeval.runs.live_manifest import LiveManifest
from listeval.runs.lock import exclusive
from listeval.runs.manifest import (
    Manifest,
    check_same_run,
    check_unopened,
    has_rows,
    no_manifest,
    read_manifest,
)
from listeval.runs.observer import Observer, SilentObserver
from listeval.runs.prompts import keep_clock
from listeval.runs.prove import prove
from listeval.runs.run_loop import RunLoop
from listeval.runs.scope import Examples, counted, joined, scope_of
from listeval.runs.seed_data import SeedData
from listeval.runs.store import Run
from listeval.runs.tracking.tracked import Tracked, tracked
from listeval.task import Example, Task


def run(config: RunConfig, observer: Observer | None = None, engines: Engines | None = None) -> Run:
    """Make every row that `config` owes and return the finished run.

    `engines` keeps the model loaded for the caller's next run; without, the engine is closed at the end.

    Task and data are checked before the model is opened. Raises UserError for anything a user
    can put right; KeyboardInterrupt passes through. Either way the rows so far are on disk and
    the same call goes on from them.
    """
    watch = observer or SilentObserver()
    watch.stage(f"loading the task {config.task}")
    task = opening.make_task(config.task, config.options)
    opening.permit(task, config.allow_code_execution)
    return run_task(task, config, watch, engines)


def run_task(task: Task, config: RunConfig, watch: Observer, engines: Engines | None = None) -> Run:
    """`run` with a task that is at hand, whatever `config` calls it."""
    config = preparation.settled(config, task)
    watch.stage("reading the data")
    data = preparation.load_data(task, config)
    if config.decoding is not None:
        bind(config.decoding, preparation.first_contract(task, data, config))
    watch.stage(f"getting {task.name} ready to score")
    with tracked(config.track, watch) as watched, opening.ready(task):
        finished = _run_on(engines, task, config, data, watched)
        if finished.hidden:
            watch.note(f"{finished.hidden} further rows of this run are kept; --limit or --samples leaves them out")
        watch.stage("computing metrics and intervals")
        finished.conclude(task)
        watched.finish(finished)
    return finished


def _run_on(engines: Engines | None, task: Task, config: RunConfig, data: SeedData, watch: Tracked) -> Run:
    """Make what is owed on the caller's engines, or on one of the run's own."""
    if config.out:
        check_before_opening(config, preparation.unopened_identity(config, task, data))
    if engines is not None:
        return _work(task, config, data, watch, engines)
    with Engines() as own:
        try:
            return _work(task, config, data, watch, own)
        finally:
            watch.stage("closing the engine")


def _work(task: Task, config: RunConfig, data: SeedData, watch: Tracked, engines: Engines) -> Run:
    """Open the model and make every row that is owed."""
    backend = engines.open(config, watch)
    _meet(backend, config, lambda seed: data[seed].examples)
    manifest = preparation.make_manifest(config, task, data, backend)
    directory = Path(config.out) if config.out else preparation.default_out(manifest)
    make_directory(directory)
    with exclusive(directory):
        if isinstance(backend, Logging):
            backend.log_to(directory)
        live = _adopt(manifest, directory, task, data, backend)
        manifest = live.manifest
        if config.decoding is not None:
            contract = preparation.first_contract(task, data, config)
            prove(backend, config.decoding, contract, live, watch)
        watch.open(manifest, directory)
        watch.begin(data.asked)
        if scope_of(config) != scope_of(manifest.config):
            watch.note("only part of this run is asked for; its other rows stay and are counted")
        owed = preparation.samples(task, data, config, manifest.identity_hash)
        with engines.generating():
            RunLoop(task, backend, live, watch).work(owed)
    return Run(directory, live.standing)


def _meet(backend: Backend, config: RunConfig, examples: Examples) -> None:
    """Let recorded answers look at all examples that may be theirs. Raises UserError where none is."""
    if isinstance(backend, Recorded):
        backend.meet({seed: [example.id for example in examples(seed)] for seed in config.seeds}, config.limit)


def check_before_opening(config: RunConfig, identity: dict[str, Any]) -> None:
    """Refuse another run's directory, before anything is sent to a server; what only the model tells is checked later.

    Raises UserError naming what differs.
    """
    directory = Path(config.out or "")
    if not os.path.lexists(directory / "manifest.json"):
        if has_rows(directory):
            raise no_manifest(directory)
        return
    check_unopened(read_manifest(directory), identity, directory)


def _adopt(new: Manifest, directory: Path, task: Task, data: SeedData, backend: Backend) -> LiveManifest:
    """The manifest to go on with: the history and the clock of an earlier attempt, this one's configuration, the scope
    of both.
    """
    old = read_manifest(directory) if os.path.lexists(directory / "manifest.json") else None
    if old is None:
        if has_rows(directory):
            raise no_manifest(directory)
    else:
        check_same_run(old, new, directory)

        def examples(seed: int) -> Sequence[Example]:
            return (data[seed] if seed in data else opening.load(task, new.config.data, seed)).examples

        # Settings and versions stay those behind the rows until this process makes one; keys of rows hold the identity.
        same = ("created", "identity", "attempts", "backend", "control_text")
        kept: dict[str, Any] = {name: getattr(old, name) for name in same}
        config = joined(old.config, new.config, examples)
        if scope_of(config) != scope_of(new.config):
            _meet(backend, config, examples)
            kept["data"] = counted(config, old.data, new.data, examples)
        kept["backend"] = old.backend.meeting(backend.settings())
        new = new.model_copy(update=kept | {"config": config})
        if is_lost(directory, old):
            whole = data if scope_of(config) == scope_of(data.config) else preparation.load_data(task, config)
            own = preparation.samples(task, whole, config, new.identity_hash)
            restore(directory, new.created, (mark(new.created, one.key, one.example.id, one.seed) for one in own))
    keep_clock(backend, new, old)
    live = LiveManifest(new, directory, old)
    live.write()
    return live
