"""A program's process as the judge sees it: asked for, watched, ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time

from listeval.scoring.execution.inside import forker, kernel
from listeval.scoring.execution.program import Limits

_CPUCLOCK_SCHED = 2
_REASON = 500


class ForkerDied(Exception):
    """The process that forks cannot, or is gone, and no program can be run any more; with the reason."""


class Child:
    """A process for an answer or for tests, waiting for its first statement. It is init of its own PID namespace."""

    def __init__(self, pid: int, channel: socket.socket, forker: Forker) -> None:
        """`handle` is a pidfd: it becomes readable when the process has ended."""
        self.channel, self.handle = channel, os.pidfd_open(pid)
        self._pid, self._forker = pid, forker
        self._ended: tuple[int, float] | None = None

    def cpu(self) -> float:
        """Seconds of CPU time so far, all threads together."""
        return time.clock_gettime((~self._pid << 3) | _CPUCLOCK_SCHED)

    def ended(self) -> bool:
        """Whether it is over already."""
        return bool(select.select([self.handle], [], [], 0)[0])

    def end(self) -> tuple[int, float]:
        """Kill it with its threads; the wait status and all its CPU seconds. Harmless when repeated."""
        if self._ended is None:
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)
            self._ended = self._forker.reap(self._pid)
            os.close(self.handle)
            self.channel.close()
        return self._ended


class Forker:
    """The process that programs are forked from, and the one process that it keeps ready or is asked for."""

    def __init__(self, limits: Limits, instructions: bytes) -> None:
        self._asked = False
        self._ready: Child | None = None
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if kernel.fork() == 0:
            os.dup2(theirs.fileno(), 3)
            os.closerange(4, 256)
            try:
                forker.serve(socket.socket(fileno=3), limits, instructions)
            finally:
                os._exit(70)
        theirs.close()

    def ask(self) -> None:
        """Have a process for an answer forked meanwhile."""
        self._request(forker.ANSWER)
        self._asked = True

    def take(self) -> Child:
        """The process that was asked for, or a new one. Raises ForkerDied."""
        if self._ready is None:
            if not self._asked:
                self.ask()
            self._ready = self._receive()
        child, self._ready = self._ready, None
        return child

    def tests(self) -> Child:
        """A new process for tests. Raises ForkerDied."""
        if self._asked:
            self._ready = self._receive()
        self._request(forker.TESTS)
        return self._receive()

    def reap(self, pid: int) -> tuple[int, float]:
        """The wait status and CPU seconds of a process that has ended, or is about to. Raises ForkerDied."""
        if self._asked:
            self._ready = self._receive()
        self._request(forker.PID.pack(pid))
        reply = self._channel.recv(forker.ENDED.size)
        if not reply:
            raise ForkerDied("the process that forks was killed")
        status, cpu = forker.ENDED.unpack(reply)
        return status, cpu

    def _request(self, request: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # it may have left its reason, which is read next
            self._channel.send(request)

    def _receive(self) -> Child:
        try:
            said, descriptors, _, _ = socket.recv_fds(self._channel, _REASON, 1)
        except ConnectionResetError:
            said, descriptors = b"", []
        self._asked = False
        if not descriptors:
            raise ForkerDied(said.removeprefix(forker.FAILED).decode() or "the process that forks was killed")
        (pid,) = forker.PID.unpack(said)
        return Child(pid, socket.socket(fileno=descriptors[0]), self)
