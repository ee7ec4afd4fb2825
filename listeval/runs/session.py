"""One attempt at a run: what is owed goes to the engine, what comes back becomes rows."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from listeval import __version__
from listeval.backends.protocol import Backend, Completion, Request
from listeval.runs.judge import judge, refuse
from listeval.runs.ledger import Ledger
from listeval.runs.manifest import Attempt, Manifest
from listeval.runs.observer import Observer
from listeval.runs.plan import Owed, Sample, render
from listeval.runs.rows import Journal, Row
from listeval.runs.stream import Stream
from listeval.task import Task


class Session:
    """Works on the run in `directory` until nothing is owed; whoever holds it also holds the run's lock."""

    def __init__(self, task: Task, backend: Backend, manifest: Manifest, directory: Path, watch: Observer) -> None:
        self.task, self.backend, self.manifest, self.directory, self.watch = task, backend, manifest, directory, watch
        self._waiting: dict[str, Owed] = {}
        # Filled by the engine's thread, emptied by ours.
        self._refused: deque[Row] = deque()
        self._asked: deque[bytes] = deque()
        self._tokens = self._made = 0

    def work(self, samples: Iterator[Sample]) -> None:
        """Make every row of `samples` that is not there. On Ctrl-C what the engine had finished is kept."""
        path = self.directory / "samples.jsonl"
        started, clock = datetime.now(UTC), time.perf_counter()
        try:
            with closing(Journal(path)) as journal, closing(Ledger(self.directory, self.manifest.created)) as ledger:
                self._answer(Stream(self.backend, self._requests(samples, ledger, ledger.done(path))), journal, ledger)
        finally:
            self._note_attempt(started, time.perf_counter() - clock)

    def _answer(self, stream: Stream, journal: Journal, ledger: Ledger) -> None:
        try:
            for batch in stream:
                self._record(journal, ledger, batch)
        except KeyboardInterrupt:
            self._record(journal, ledger, stream.stop())
            raise
        finally:
            stream.stop()
        self._record(journal, ledger, ())

    def _requests(self, samples: Iterator[Sample], ledger: Ledger, done: set[bytes]) -> Iterator[Request]:
        limit, sampling = self.backend.model.max_length, self.manifest.config.sampling
        for number, sample in enumerate(samples):
            mark = ledger.mark(sample.key, sample.example.id, sample.seed)
            there = mark in done
            self._asked.append(mark)
            if there:
                self.watch.skip()
                if number:
                    continue
            owed = render(sample, self.backend, sampling)
            if number == 0:
                self.watch.prompt(owed.request.prompt)
            if there:
                continue
            if limit and len(owed.request.prompt.token_ids) + sampling.max_tokens > limit:
                self._refused.append(refuse(owed, limit))
                continue
            self._waiting[sample.key] = owed
            yield owed.request

    def _record(self, journal: Journal, ledger: Ledger, batch: Sequence[Completion]) -> None:
        answers = [(self._waiting.pop(completion.key), completion) for completion in batch]
        rows = judge(self.task, answers, self.manifest.promise)
        while self._refused:
            rows.append(self._refused.popleft())
        # A sample is noted before its row is written, so no kill leaves a row that looks like another run's.
        ledger.note(self._asked.popleft() for _ in range(len(self._asked)))
        if rows:
            journal.append(rows)
            self._tokens += sum(completion.n_tokens for completion in batch)
            self._made += len(rows)
            self.watch.rows(rows)

    def _note_attempt(self, started: datetime, seconds: float) -> None:
        if not self._made:
            return
        attempt = Attempt(
            started=started.isoformat(timespec="seconds"),
            seconds=round(seconds, 3),
            rows=self._made,
            tokens=self._tokens,
            versions={"listeval": __version__, **self.backend.versions()},
        )
        self.manifest.attempts.append(attempt)
        # What a server turned out not to take is known only now.
        self.manifest.backend.update(settings=dict(self.backend.settings()), versions=dict(self.backend.versions()))
        self.manifest.write(self.directory)
