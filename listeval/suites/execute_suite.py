"""The runs of a suite one after the other: one engine load a model, and what fails is named and left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from listeval.backends import choose
from listeval.errors import UserError
from listeval.models.adapter import check_base, open_adapter
from listeval.models.resolve import fingerprint, resolve
from listeval.plugins import open as opening
from listeval.runs import preparation
from listeval.runs.config import RunConfig
from listeval.runs.engines import EngineLoad, Engines
from listeval.runs.execute import check_before_opening, run
from listeval.runs.manifest import Manifest, read_manifest
from listeval.runs.observer import Observer
from listeval.runs.rows import done_keys
from listeval.runs.store import Run, load_run
from listeval.suites.expand import PlannedRun

Watch = Callable[[str], AbstractContextManager[Observer]]
"""What observes one run, by the line that announces it."""


class Prospect(NamedTuple):
    """What a run is about to do, or why it cannot be made. `load` is None for a run that cannot."""

    planned: PlannedRun
    config: RunConfig
    samples: int = 0
    there: int = 0
    load: EngineLoad | None = None
    error: UserError | None = None

    @property
    def complete(self) -> bool:
        """Whether every row is there, so that no engine is needed."""
        return self.error is None and self.samples == self.there > 0


class RunOutcome(NamedTuple):
    """One run of a suite: finished, or why not."""

    planned: PlannedRun
    run: Run | None
    error: UserError | None = None


def prospects(planned: Sequence[PlannedRun]) -> list[Prospect]:
    """What each run will do, from tasks, data and what is on disk; no model is opened."""
    return [_prospect(one) for one in planned]


def _prospect(planned: PlannedRun) -> Prospect:
    config = planned.config
    try:
        task = opening.make_task(config.task, config.options)
        opening.permit(task, config.allow_code_execution)
        config = config.resolved(opening.token_budget(task), choose(config.backend))
        data = preparation.load_data(task, config)
        total, there = data.asked, 0
        if (old := _begun(config)) is not None:
            check_before_opening(config, preparation.unopened_identity(config, task, data))
            keys = {sample.key for sample in preparation.samples(task, data, config, old.identity_hash)}
            there = len(keys & done_keys(Path(config.out or "") / "samples.jsonl"))
        load = EngineLoad.of(config)
        if config.adapter is not None and load.is_local:
            # An engine is told of all adapters when it opens: one that does not belong to it must not reach it.
            name, path = resolve(config.model)
            check_base(open_adapter(config.adapter), name, path, fingerprint(path))
        return Prospect(planned, config, total, there, load)
    except UserError as error:
        return Prospect(planned, config, error=error)


def _begun(config: RunConfig) -> Manifest | None:
    """The manifest of a run that was begun; None where it is another model's by now, which running it will say.

    A model that is a folder here is recognised without being loaded; what a server serves is not asked.
    """
    directory = Path(config.out or "")
    if config.out is None or not (directory / "manifest.json").is_file():
        return None
    found = read_manifest(directory)
    same = not EngineLoad.of(config).is_local or fingerprint(resolve(config.model).path) == found.model.fingerprint
    return found if same else None


def execute(found: Sequence[Prospect], watch: Watch) -> Iterator[RunOutcome]:
    """Make what each run owes, model by model, and yield every outcome as it comes.

    A UserError ends its run alone; KeyboardInterrupt ends the suite, and the same call goes on from there.
    """
    makeable = [prospect for prospect in found if prospect.error is None]
    yield from (RunOutcome(prospect.planned, None, prospect.error) for prospect in found if prospect.error)
    clock = _clock(found)
    with Engines(prospect.config for prospect in makeable if not prospect.complete) as engines:
        for number, prospect in enumerate(_by_load(makeable), 1):
            with watch(f"run {number} of {len(makeable)}: {prospect.planned.name}") as observer:
                outcome = _outcome(prospect, clock, observer, engines)
            if outcome.run is not None:
                clock = clock or outcome.run.manifest.config.clock
            yield outcome


def _outcome(prospect: Prospect, clock: datetime | None, observer: Observer, engines: Engines) -> RunOutcome:
    """Of one run, all of whose prompts read the time `clock`, where their template prints it."""
    planned = prospect.planned
    try:
        if prospect.complete:
            observer.note("all of its rows are there")
            return RunOutcome(planned, _finished(prospect.config))
        return RunOutcome(planned, run(planned.config.model_copy(update={"clock": clock}), observer, engines))
    except UserError as error:
        return RunOutcome(planned, None, error)


def _by_load(found: Sequence[Prospect]) -> list[Prospect]:
    """Runs that can share an engine after each other, in the order in which their engines first come up."""
    loads: list[EngineLoad | None] = []
    for prospect in found:
        if prospect.load not in loads:
            loads.append(prospect.load)
    return sorted(found, key=lambda prospect: loads.index(prospect.load))


def _finished(config: RunConfig) -> Run:
    """A run whose rows are all there. Its metrics are made anew where a kill left none, or those of fewer rows."""
    done = load_run(config.out or "")
    if not done.is_concluded:
        task = opening.make_task(config.task, config.options)
        with opening.ready(task):
            done.conclude(task)
    return done


def _clock(found: Sequence[Prospect]) -> datetime | None:
    """What the prompts' clock says in a run that is there: all runs of a suite read the same time."""
    for prospect in found:
        old = None if prospect.error or prospect.config.out is None else Path(prospect.config.out)
        if old is not None and (old / "manifest.json").is_file():
            clock = read_manifest(old).config.clock
            if clock is not None:
                return clock
    return None
