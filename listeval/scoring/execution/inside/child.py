"""A program's process as the judge sees it: asked for, watched, ended."""

from __future__ import annotations

import _socket
import contextlib
import math
import os
import re
import resource
import select
import signal
import time
from collections.abc import Sequence

from listeval.scoring.execution.inside import forker
from listeval.scoring.execution.program import Limits

_CPUCLOCK_SCHED = 2
_REASON = 500


class ForkerDied(Exception):
    """The process that forks cannot, or is gone, and no program can be run any more; with the reason."""


class Child:
    """A process for an answer or for tests, waiting for its first statement. It is init of its own PID namespace."""

    def __init__(self, pid: int, role: bytes, limits: Limits, channel: _socket.socket, forker: Forker) -> None:
        """`handle` is a pidfd: it becomes readable when the process has ended."""
        self.channel, self.handle = channel, os.pidfd_open(pid)
        _limit(pid, role, limits)
        self._pid, self._forker = pid, forker
        self._over = False

    def cpu(self) -> float:
        """Seconds of CPU time so far, all threads together."""
        return time.clock_gettime((~self._pid << 3) | _CPUCLOCK_SCHED)

    def waited(self) -> float:
        """Seconds for which a thread of it could have run and had no processor: most of them, of all its threads.

        0 where the kernel does not say (no CONFIG_SCHED_INFO, a /proc that hides processes).
        """
        try:
            # The number of the process in that /proc, which may belong to another PID namespace.
            (pid,) = re.findall(rb"^Pid:\t(\d+)$", self._read(f"self/fdinfo/{self.handle}"), re.MULTILINE)
            tasks = f"{pid.decode()}/task"
            folder = os.open(tasks, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._forker.proc)
            try:
                threads = os.listdir(folder)  # noqa: PTH208 - a descriptor
            finally:
                os.close(folder)
            return max(int(self._read(f"{tasks}/{thread}/schedstat").split()[1]) for thread in threads) / 1e9
        except (OSError, ValueError, IndexError):
            return 0.0

    def _read(self, name: str) -> bytes:
        descriptor = os.open(name, os.O_RDONLY, dir_fd=self._forker.proc)
        try:
            return os.read(descriptor, 1 << 16)
        finally:
            os.close(descriptor)

    def ended(self) -> bool:
        """Whether it is over already."""
        return bool(select.select([self.handle], [], [], 0)[0])

    def kill(self) -> None:
        """Have it killed with its threads, which takes a while."""
        if not self._over:
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)

    def end(self) -> None:
        """Kill it; it is gone when this returns. Harmless when repeated."""
        if not self._over:
            self.kill()
            select.select([self.handle], [], [])
            self._forker.reap(self._pid)
            self._close()

    def autopsy(self) -> tuple[int, float]:
        """End it, for the first time; the wait status and all its CPU seconds. Raises ForkerDied."""
        self.kill()
        found = self._forker.examine(self._pid)
        self._close()
        return found

    def _close(self) -> None:
        self._over = True
        os.close(self.handle)
        self.channel.close()


def _limit(pid: int, role: bytes, limits: Limits) -> None:
    """The limits that the process that forks cannot live with, set before the first statement is sent."""
    # The judge stops a program at its CPU limit; the kernel's own, in whole seconds, stands behind it. Tests of many
    # programs run in one process. Five more processes of the same user count as threads: this one, its parents, the
    # one that forks, the next program's and the tests'.
    cpu, threads = math.ceil(limits.cpu) + 2, limits.threads + 6
    if role == forker.ANSWER:
        resource.prlimit(pid, resource.RLIMIT_CPU, (cpu, cpu))
    resource.prlimit(pid, resource.RLIMIT_NPROC, (threads, threads))


def send_descriptors(channel: _socket.socket, packet: bytes, descriptors: Sequence[int]) -> None:
    """A packet, and with it descriptors, one or none."""
    carried = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, forker.PID.pack(one)) for one in descriptors]
    channel.sendmsg([packet], carried)


class Forker:
    """The process that programs are forked from, and the one process that it keeps ready or is asked for."""

    def __init__(self, channel: _socket.socket, proc: int, limits: Limits) -> None:
        """`proc`: a descriptor of a /proc in which the processes are."""
        self._channel, self.proc, self._limits = channel, proc, limits
        self._asked: tuple[bytes, _socket.socket] | None = None
        self._dead: list[int] = []
        self._ready: Child | None = None

    def ask(self) -> None:
        """Have a process for an answer forked meanwhile."""
        self._fork(forker.ANSWER)

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
        self._fork(forker.TESTS)
        return self._receive()

    def reap(self, pid: int) -> None:
        """Let go of a process that has ended, when the next is asked for."""
        self._dead.append(pid)

    def examine(self, pid: int) -> tuple[int, float]:
        """The wait status and CPU seconds of a process that has ended, or is about to. Raises ForkerDied."""
        if self._asked:
            self._ready = self._receive()
        self._request(forker.REQUEST.pack(forker.ANSWER, pid))
        reply = self._channel.recv(forker.ENDED.size)
        if not reply:
            raise ForkerDied("the process that forks was killed")
        status, cpu = forker.ENDED.unpack(reply)
        return status, cpu

    def _fork(self, role: bytes) -> None:
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        self._asked = role, ours
        self._request(forker.REQUEST.pack(role, self._dead.pop(0) if self._dead else 0), theirs.fileno())
        theirs.close()

    def _request(self, request: bytes, *descriptors: int) -> None:
        with contextlib.suppress(BrokenPipeError):  # it may have left its reason, which is read next
            send_descriptors(self._channel, request, descriptors)

    def _receive(self) -> Child:
        assert self._asked
        (role, channel), self._asked = self._asked, None
        try:
            said = self._channel.recv(_REASON)
        except ConnectionResetError:
            # It ended with a request unread, which is told before the reason that it left.
            said = self._channel.recv(_REASON)
        if len(said) != forker.PID.size:  # a reason is longer
            channel.close()
            raise ForkerDied(said.removeprefix(forker.FAILED).decode() or "the process that forks was killed")
        (pid,) = forker.PID.unpack(said)
        return Child(pid, role, self._limits, channel, self)
