"""The pool: programs in, verdicts out, in order, over a few warm zygotes."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from listeval.errors import UserError
from listeval.scoring.execution import isolation as isolations
from listeval.scoring.execution.isolation import Isolation
from listeval.scoring.execution.program import Limits, Outcome, Program, Ran
from listeval.scoring.execution.statements import read
from listeval.scoring.execution.syscalls import compile_filters
from listeval.scoring.execution.visible_files import visible
from listeval.scoring.execution.worker import PROCESSES, Worker, WorkerDied, processes_left

_MOST_WORKERS = 4
_DEFAULT = Limits()
_PATIENCE = 60.0
"""Seconds beyond every limit after which a zygote counts as dead."""


class Sandbox:
    """Runs programs in isolation; see the package for what that covers. Safe to share between threads.

    `limits` hold for every program. `workers`: programs at a time (default: the cores this process may use, 4 at most).
    `isolation`: what to use instead of the best that works. The first worker starts at once, the others when there is
    work for them.
    """

    def __init__(
        self, limits: Limits = _DEFAULT, workers: int | None = None, *, isolation: Isolation | None = None
    ) -> None:
        """Raises UserError with the reason and the fix where no isolation works on this machine."""
        if workers is not None and workers < 1:
            raise UserError(f"a sandbox needs at least one worker, not {workers}", fix="leave it out for the default")
        self._limits = limits
        self._most = workers or min(_MOST_WORKERS, len(os.sched_getaffinity(0)))
        self._lock = threading.Lock()
        self._workers: list[Worker] = []
        tries = isolations.candidates(isolation)
        try:
            self._filters, self._seen = compile_filters(), visible()
        except UserError:
            # Both ask other programs, whose failure to start they take for an answer.
            if not processes_left():
                raise UserError("the sandbox may start no process at all here", fix=PROCESSES) from None
            raise
        failures = []
        for name in tries:
            try:
                self._launch = isolations.launch(name, self._seen)
                self._workers.append(self._start())
                return
            except UserError as error:
                failures.append(error)
        raise UserError("; ".join(error.cause for error in failures), fix=failures[-1].fix)

    @property
    def isolation(self) -> Isolation:
        """What isolates: bubblewrap, or this program's own use of namespaces."""
        return self._launch.isolation

    def run(self, programs: Sequence[Program]) -> list[Ran]:
        """The verdict on each program, in order. One whose worker died is tried once more, then it is `sandbox`.

        Raises UserError where the sandbox was closed, or workers can no longer be started.
        """
        with self._lock:
            if not self._workers:
                raise UserError("the sandbox is closed", fix="make a new one")
            try:
                return self._run(programs)
            except BaseException:
                # Whatever stopped us (Ctrl-C as well), workers may be in the middle of a program.
                self._close()
                raise

    def close(self) -> None:
        """End all workers and what runs in them. Harmless when repeated."""
        with self._lock:
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> Worker:
        return Worker(self._launch, self._seen.executable, self._limits, self._filters)

    def _close(self) -> None:
        while self._workers:
            self._workers.pop().close()

    def _run(self, programs: Sequence[Program]) -> list[Ran]:
        while len(self._workers) < min(self._most, len(programs)):
            self._workers.append(self._start())
        verdicts = [_unusable(program) for program in programs]
        waiting = deque((number, programs[number]) for number, ran in enumerate(verdicts) if ran is None)
        tried: set[int] = set()
        busy: dict[Worker, tuple[int, float]] = {}
        idle = list(self._workers)
        while waiting or busy:
            while waiting and idle:
                worker = idle.pop()
                number, program = waiting.popleft()
                busy[worker] = number, time.monotonic()
                worker.ask(program)
            for worker in self._ready(busy):
                number, _ = busy.pop(worker)
                try:
                    verdicts[number] = worker.answer()
                except WorkerDied as death:
                    worker = self._replace(worker)
                    if number in tried:
                        verdicts[number] = Ran(Outcome.SANDBOX, f"the worker died twice: {death}", 0.0)
                    else:
                        tried.add(number)
                        waiting.appendleft((number, programs[number]))
                idle.append(worker)
        return [verdict for verdict in verdicts if verdict is not None]

    def _ready(self, busy: dict[Worker, tuple[int, float]]) -> list[Worker]:
        """Workers with an answer, or dead, or silent for longer than any program can be."""
        poll = select.poll()
        workers = {worker.fileno(): worker for worker in busy}
        for descriptor in workers:
            poll.register(descriptor, select.POLLIN)
        found = [workers[descriptor] for descriptor, _ in poll.poll(1000)]
        late = time.monotonic() - 12 * self._limits.wall - _PATIENCE
        silent = [worker for worker, (_, since) in busy.items() if since < late and worker not in found]
        for worker in silent:
            worker.close()
        return found + silent

    def _replace(self, worker: Worker) -> Worker:
        worker.close()
        self._workers.remove(worker)
        fresh = self._start()
        self._workers.append(fresh)
        return fresh


def _unusable(program: Program) -> Ran | None:
    """The verdict on a program whose tests or setup could not judge any program."""
    for name, statement in (("setup", program.setup), *(("test", test) for test in program.tests)):
        if flaw := read(statement).flaw:
            return Ran(Outcome.SANDBOX, f"the {name} {flaw}", 0.0)
    return None
