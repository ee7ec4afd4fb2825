"""`run`: render, generate, parse, score and append until nothing is owed; stopping at any point loses nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from listeval.backends import choose, open_backend
from listeval.backends.protocol import Backend, Prompt, Request
from listeval.errors import UserError
from listeval.runs import plan
from listeval.runs.config import RunConfig
from listeval.runs.judge import judge, refuse
from listeval.runs.lock import exclusive
from listeval.runs.manifest import Attempt, Manifest, check_same_run, read_manifest
from listeval.runs.plan import Owed
from listeval.runs.rows import Journal, Row, done_keys
from listeval.runs.store import Run
from listeval.runs.stream import completions
from listeval.task import Task


class Observer(Protocol):
    """What a progress display is told. Every method may be called from the thread that runs."""

    def note(self, text: str) -> None:
        """One line of what is going on."""

    def prompt(self, prompt: Prompt) -> None:
        """The first rendered prompt."""

    def begin(self, total: int, done: int) -> None:
        """`total` samples in the run, `done` of them from before."""

    def rows(self, rows: list[Row]) -> None:
        """Rows that were just appended."""


class Silent:
    """An observer that shows nothing."""

    def note(self, text: str) -> None: ...

    def prompt(self, prompt: Prompt) -> None: ...

    def begin(self, total: int, done: int) -> None: ...

    def rows(self, rows: list[Row]) -> None: ...


def run(config: RunConfig, observer: Observer | None = None) -> Run:
    """Make every row that `config` owes and return the finished run.

    Task and data are checked before the model is opened. Raises UserError for anything a user
    can put right; KeyboardInterrupt passes through. Either way the rows so far are on disk and
    the same call goes on from them.
    """
    watch = observer or Silent()
    task = plan.make_task(config.task, config.options)
    config = config.resolved(task.max_tokens)
    data = plan.load_data(task, config)
    chosen = choose(config.backend)
    watch.note(f"opening {config.model} with {chosen}")
    backend = open_backend(chosen, config.model, config.backend_options)
    try:
        manifest = plan.make_manifest(config, task, data, backend)
        directory = Path(config.out) if config.out else plan.default_out(manifest)
        make_directory(directory)
        with exclusive(directory):
            manifest = _adopt(manifest, directory)
            owed = plan.owed(task, data, backend, manifest)
            _Session(task, backend, manifest, directory, watch).work(owed, sum(len(d.examples) for d in data.values()))
    finally:
        backend.close()
    finished = Run(directory, manifest)
    finished.write_metrics()
    return finished


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
    if (directory / "manifest.json").exists():
        old = read_manifest(directory)
        check_same_run(old, new, directory)
        new = new.model_copy(update={"created": old.created, "attempts": old.attempts})
    new.write(directory)
    return new


class _Session:
    """One attempt at a run: what is owed goes to the engine, what comes back becomes rows."""

    def __init__(self, task: Task, backend: Backend, manifest: Manifest, directory: Path, watch: Observer) -> None:
        self.task, self.backend, self.manifest, self.directory, self.watch = task, backend, manifest, directory, watch
        self.waiting: dict[str, Owed] = {}
        # Filled by the engine's thread, emptied by ours.
        self.refused: deque[Row] = deque()
        self.tokens = self.made = 0

    def work(self, owed: Iterator[Owed], total: int) -> None:
        path = self.directory / "samples.jsonl"
        journal = Journal(path)
        done = done_keys(path)
        self.watch.begin(total, min(len(done), total))
        started, clock = datetime.now(UTC), time.perf_counter()
        try:
            for batch in completions(self.backend, self._requests(owed, done)):
                answers = [(self.waiting.pop(c.key), c) for c in batch]
                self.tokens += sum(c.n_tokens for c in batch)
                self._append(journal, judge(self.task, answers))
            self._append(journal, [])
        finally:
            journal.close()
            self._note_attempt(started, time.perf_counter() - clock)

    def _requests(self, owed: Iterator[Owed], done: set[str]) -> Iterator[Request]:
        limit = self.backend.model.max_length
        shown = False
        for item in owed:
            if not shown:
                self.watch.prompt(item.request.prompt)
                shown = True
            if item.request.key in done:
                continue
            if limit and len(item.request.prompt.token_ids) + item.request.sampling.max_tokens > limit:
                self.refused.append(refuse(item, limit))
                continue
            self.waiting[item.request.key] = item
            yield item.request

    def _append(self, journal: Journal, rows: list[Row]) -> None:
        while self.refused:
            rows.append(self.refused.popleft())
        if rows:
            journal.append(rows)
            self.made += len(rows)
            self.watch.rows(rows)

    def _note_attempt(self, started: datetime, seconds: float) -> None:
        if not self.made:
            return
        attempt = Attempt(
            started=started.isoformat(timespec="seconds"), seconds=round(seconds, 3), rows=self.made, tokens=self.tokens
        )
        self.manifest.attempts.append(attempt)
        self.manifest.write(self.directory)
