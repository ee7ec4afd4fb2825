"""One attempt at a run: what is owed goes to the engine, what comes back becomes rows."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from listeval import __version__
from listeval.backends.protocol import Backend, Completion, KnownAnswers, Message, Prompt, Request
from listeval.contract import Kind
from listeval.plugins.blame import blame
from listeval.runs.fields import MOST
from listeval.runs.interrupts import Interrupts
from listeval.runs.ledger import Ledger
from listeval.runs.live_manifest import LiveManifest
from listeval.runs.make_rows import make_rows, refused_row
from listeval.runs.manifest import Attempt
from listeval.runs.observer import Observer
from listeval.runs.preparation import Sample, SampleRequest, render
from listeval.runs.prompts import ControlTextCount
from listeval.runs.reask import SampleAttempt, completion_of, next_request, owed_again, seed_of, tried
from listeval.runs.rows import Row, RowWriter
from listeval.runs.stored_rows import tried_before
from listeval.runs.stream import Stream
from listeval.task import Task


class _PendingSample(NamedTuple):
    """A sample on its way to its row: what it was asked first, and what came of that so far."""

    asked: SampleRequest
    attempts: tuple[SampleAttempt, ...] = ()


class RunLoop:
    """Works on the run of a manifest until nothing is owed; whoever holds it also holds the run's lock."""

    def __init__(self, task: Task, backend: Backend, live: LiveManifest, watch: Observer) -> None:
        self.task, self.backend, self.live, self.watch = task, backend, live, watch
        self.manifest, self.directory = live.manifest, live.directory
        self._most, self._way = self.manifest.config.attempts, self.manifest.config.reask
        self._waiting: dict[str, _PendingSample] = {}
        """By the key of the request that is with the engine."""
        self._due: dict[int, deque[_PendingSample]] = defaultdict(deque)
        """By the attempt that comes next."""
        # Filled by the engine's thread, emptied by ours.
        self._refused: deque[Row] = deque()
        self._asked: deque[tuple[bytes, str]] = deque()
        """Mark of a sample, and what becomes of control tokens in its data."""
        self._tokens = self._made = 0
        self._spelled = ControlTextCount(backend, self.manifest.control_text)

    def work(self, samples: Iterator[Sample]) -> None:
        """Make every row of `samples` that is not there. On Ctrl-C what the engine had finished is kept."""
        path = self.directory / "samples.jsonl"
        before = tried_before(self.directory, self.manifest) if self._most > 1 else {}
        started, clock = datetime.now(UTC), time.perf_counter()
        try:
            with closing(RowWriter(path)) as journal, closing(Ledger(self.directory, self.manifest.created)) as ledger:
                self._generate(journal, ledger, self._requests(samples, ledger, ledger.done(path), before))
                for attempt in range(2, self._most + 1):
                    if due := self._due.pop(attempt, None):
                        self.watch.note(f"attempt {attempt}: {len(due)} samples whose last answer broke the contract")
                        self._generate(journal, ledger, self._further(due))
        finally:
            self._note_attempt(started, time.perf_counter() - clock)

    def _generate(self, journal: RowWriter, ledger: Ledger, requests: Iterator[Request]) -> None:
        stream = Stream(self.backend, requests)
        with Interrupts() as interrupts:
            try:
                for batch in stream:
                    self._record(journal, ledger, batch)
                    interrupts.check()
            except KeyboardInterrupt:
                self._record(journal, ledger, stream.stop())
                raise
            finally:
                stream.stop()
            self._record(journal, ledger, ())

    def _requests(
        self, samples: Iterator[Sample], ledger: Ledger, done: set[bytes], before: Mapping[str, Sequence[SampleAttempt]]
    ) -> Iterator[Request]:
        limit, sampling = self.backend.model.max_length, self.manifest.config.sampling
        for number, sample in enumerate(samples):
            mark = ledger.mark(sample.key, sample.example.id, sample.seed)
            there = mark in done
            self._asked.append((mark, self._spelled.fate(sample.example.messages)))
            if there:
                self.watch.skip()
                if number:
                    continue
            asked = render(sample, self.backend, sampling)
            if number == 0:
                self.watch.prompt(asked.request.prompt)
            if there:
                continue
            if self._too_long(asked.request):
                self._refused.append(refused_row(asked, limit or 0))
            elif attempts := tuple(before.get(sample.key, ()))[: self._most - 1]:
                self._due[len(attempts) + 1].append(_PendingSample(asked, attempts))
            else:
                self._waiting[sample.key] = _PendingSample(asked)
                yield self._with_known(asked.request, sample)

    def _further(self, due: Iterable[_PendingSample]) -> Iterator[Request]:
        """The next attempt at each; where its prompt would not fit, the last answer stays the final one."""
        assert self._way is not None, "a run that asks again knows how"
        for case in due:
            sample, first = case.asked
            messages, last = sample.example.messages, case.attempts[-1]
            request = next_request(first, messages, last, self._way, partial(self._prompt, sample))
            if self._too_long(request):
                (row,) = make_rows(self.task, [(case.asked, completion_of(last, sample.key))], self.manifest.promise)
                row["attempts"] = case.attempts if len(case.attempts) > 1 else None
                row["detail"] += f"; not asked again, a prompt of {len(request.prompt.token_ids):,} tokens does not fit"
                self._refused.append(row)
            else:
                self._waiting[request.key] = case
                yield self._with_known(request, sample)

    def _prompt(self, sample: Sample, messages: tuple[Message, ...]) -> Prompt:
        longer = sample._replace(example=sample.example._replace(messages=messages))
        return render(longer, self.backend, self.manifest.config.sampling).request.prompt

    def _with_known(self, request: Request, sample: Sample) -> Request:
        if not self.backend.capabilities.plays:
            return request
        with blame(self.task, f"has no gold answer to its example '{sample.example.id}'"):
            target = sample.example.target
            return request._replace(known=KnownAnswers(self.task.gold(target), self.task.bad(target)))

    def _too_long(self, request: Request) -> bool:
        limit = self.backend.model.max_length
        return bool(limit) and len(request.prompt.token_ids) + request.sampling.max_tokens > (limit or 0)

    def _record(self, journal: RowWriter, ledger: Ledger, batch: Sequence[Completion]) -> None:
        if any(completion.error is None for completion in batch):
            self.live.answered()
        cases = [self._waiting.pop(completion.key) for completion in batch]
        answers = [(case.asked, completion) for case, completion in zip(cases, batch, strict=True)]
        rows = make_rows(self.task, answers, self.manifest.promise)
        # A row that was refused a further attempt shows an answer that counted when it came.
        self._tokens += sum(row["n_tokens"] for row in rows)
        final = [row for case, row in zip(cases, rows, strict=True) if self._settle(case, row)]
        while self._refused:
            row = self._refused.popleft()
            rows.append(row)
            final.append(row)
        # A sample is noted before its row is written, so no kill leaves a row that looks like another run's.
        asked = [self._asked.popleft() for _ in range(len(self._asked))]
        ledger.note(mark for mark, _ in asked)
        for mark, fate in asked:
            self._spelled.count(fate, first=not ledger.knew(mark))
        if rows:
            journal.append(rows)
            self._made += len(final)
            self.watch.rows(final)

    def _settle(self, case: _PendingSample, row: Row) -> bool:
        """Note in `row` what was tried before it; False where it is not the sample's last word of this process."""
        if row["outcome"] == "error":
            row["attempts"] = case.attempts or None
            return True
        attempt = len(case.attempts) + 1
        if attempt == self._most == 1:
            return True
        attempts = (*case.attempts, tried(row, attempt, seed_of(row["seed"], attempt)))
        if row["outcome"] == "scored" and row["kind"] != Kind.OK and attempt < self._most:
            owed_again(row, attempts, self._most)
            self._due[attempt + 1].append(case._replace(attempts=attempts))
            return False
        row["attempts"] = attempts if attempt > 1 else None
        return True

    def _note_attempt(self, started: datetime, seconds: float) -> None:
        if not self._made and not self._tokens:
            return
        attempt = Attempt(
            started=started.isoformat(timespec="seconds"),
            seconds=round(seconds, 3),
            rows=self._made,
            tokens=min(self._tokens, MOST),
            versions={"listeval": __version__, **self.backend.versions()},
        )
        self.live.ended(attempt, self.backend, self._spelled.counts)
