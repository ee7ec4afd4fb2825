"""The zygote's side of one program: hand over its statements, watch its limits, and say what became of it.

This process runs no foreign code. It believes the program's process in one thing only, that a statement ran to its
end, and takes anything unexpected on the channel as tampering, which is an `exception`. No answer of a program can
make it `sandbox`, so a program cannot take itself out of the mean.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections import deque

from listeval.scoring.execution.inside import runner
from listeval.scoring.execution.inside.child import Child
from listeval.scoring.execution.program import Limits, Outcome, Program, Ran

_ANSWERS = {runner.ASSERTION: Outcome.ASSERTION, runner.EXCEPTION: Outcome.EXCEPTION}
_SLEEPER = 0.1
_LONGEST_WALL = 10
_TICK = 0.01
_GRACE = 1.0
"""Seconds between a closed channel and the end of the process that closed it by dying."""


class HostGone(Exception):
    """The host hung up: nobody waits for the verdict."""


class _Over(Exception):
    """The program is judged before its last test."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        self.outcome, self.detail = outcome, detail


class _Silent(Exception):
    """The channel was closed without an answer."""


class Trial:
    """One program in one process: it starts at once, `verdict` waits for its end.

    Statements are sent ahead as far as the channel takes them.
    """

    def __init__(self, child: Child, program: Program, limits: Limits, host: socket.socket) -> None:
        self._child, self._limits = child, limits
        self._wall, self._cpu = time.monotonic(), child.cpu()
        self._poll = select.poll()
        self._poll.register(host, select.POLLRDHUP)
        self._host = host.fileno()
        self._unsent: deque[bytes] = deque()
        statements = [(runner.CODE, program.code), *((runner.TEST, test) for test in program.tests)]
        if program.setup:
            statements.insert(0, (runner.SETUP, program.setup))
        self._proofs = [(kind, self._queue(kind, source)) for kind, source in statements]
        self._send()

    def verdict(self) -> Ran:
        """What became of it; its process may still be there. Raises HostGone where nobody waits any more."""
        try:
            for kind, proof in self._proofs:
                if kind == runner.SETUP:
                    self._setup(proof)
                else:
                    self._check(kind, self._answer(), proof)
        except _Over as over:
            return Ran(over.outcome, over.detail, self._child.cpu())
        except _Silent:
            return _post_mortem(self._child, self._limits)
        return Ran(Outcome.OK, "", self._child.cpu())

    def _queue(self, kind: bytes, text: str) -> bytes:
        """Prepare the packets of a statement; the answer that proves it has run."""
        source, room = text.encode("utf-8", "surrogatepass"), runner.PACKET - 1
        for start in range(0, max(len(source), 1), room):
            last = start + room >= len(source)
            self._unsent.append((kind if last else runner.MORE) + source[start : start + room])
        number = b"\0" + os.urandom(16)  # an echo of it is no answer
        self._unsent.append(number)
        return runner.DONE + number[::-1]

    def _setup(self, proof: bytes) -> None:
        """Whatever goes wrong before the program's code has run cannot be its fault."""
        try:
            answer = self._answer()
        except _Silent:
            raise _Over(Outcome.SANDBOX, "setup: it ended the process") from None
        except _Over as over:
            raise _Over(Outcome.SANDBOX, f"setup: {over.detail}") from None
        if answer != proof:
            raise _Over(Outcome.SANDBOX, f"setup: {'out of memory' if answer == runner.MEMORY else _text(answer)}")

    def _check(self, kind: bytes, answer: bytes, proof: bytes) -> None:
        if answer == proof:
            return
        first = answer[:1]
        if first == runner.MEMORY:
            raise _Over(Outcome.MEMORY, f"needs more than {self._limits.memory >> 20} MiB")
        if first not in _ANSWERS:
            raise _Over(Outcome.EXCEPTION, "wrote on the runner's channel")
        raise _Over(_ANSWERS[first], _text(answer))

    def _answer(self) -> bytes:
        while True:
            self._send()
            wanted = select.POLLIN | (select.POLLOUT if self._unsent else 0)
            self._poll.register(self._child.channel, wanted)
            for descriptor, found in self._poll.poll(max(self._left(), _TICK) * 1000):
                if descriptor == self._host:
                    raise HostGone
                if found & ~select.POLLOUT:
                    return self._receive()

    def _send(self) -> None:
        try:
            while self._unsent:
                self._child.channel.send(self._unsent[0], socket.MSG_DONTWAIT)
                self._unsent.popleft()
        except BlockingIOError:
            return
        except OSError:
            self._unsent.clear()  # it is closed; what it said before comes first

    def _receive(self) -> bytes:
        try:
            answer = self._child.channel.recv(runner.PACKET)
        except ConnectionResetError:
            # It ended with statements unread, which is told before what it wrote.
            answer = self._child.channel.recv(runner.PACKET)
        if not answer:
            raise _Silent
        return answer

    def _left(self) -> float:
        """Seconds until a limit can be reached at the earliest (threads aside). Raises `_Over` past one."""
        cpu, wall = self._child.cpu() - self._cpu, time.monotonic() - self._wall
        if cpu >= self._limits.cpu:
            raise _Over(Outcome.TIMEOUT, f"used {self._limits.cpu:g} s of CPU time")
        slept = wall >= self._limits.wall and cpu < _SLEEPER * wall
        if slept or wall >= _LONGEST_WALL * self._limits.wall:
            raise _Over(Outcome.TIMEOUT, f"did not end in {wall:.0f} s, of which it computed for {cpu:.1f} s")
        until_wall = self._limits.wall - wall
        return min(self._limits.cpu - cpu, until_wall if until_wall > 0 else 1.0)


def _post_mortem(child: Child, limits: Limits) -> Ran:
    """The channel is closed: because the process died, or because the program closed it and lives on."""
    if not select.select([child.handle], [], [], _GRACE)[0]:
        return Ran(Outcome.EXCEPTION, "closed the runner's channel", child.cpu())
    status, cpu = child.end()
    if not os.WIFSIGNALED(status):
        code = os.waitstatus_to_exitcode(status)
        if code == runner.FULL:
            return Ran(Outcome.MEMORY, f"needs more than {limits.memory >> 20} MiB", cpu)
        return Ran(Outcome.EXCEPTION, f"ended the process before the tests were through (exit status {code})", cpu)
    number = os.WTERMSIG(status)
    if number != signal.SIGKILL:
        return Ran(Outcome.EXCEPTION, f"killed by {signal.Signals(number).name}", cpu)
    # No program can send signals, so this is the kernel: its CPU limit, or no memory left on the machine.
    if cpu >= limits.cpu:
        return Ran(Outcome.TIMEOUT, f"used {limits.cpu:g} s of CPU time", cpu)
    return Ran(Outcome.MEMORY, "killed by the kernel, which had no memory left", cpu)


def _text(answer: bytes) -> str:
    """The detail of an answer: one line that can be printed, whatever the program sent."""
    words = " ".join(answer[1:].decode("utf-8", "replace").split())
    return "".join(c if c.isprintable() else "?" for c in words[: runner.DETAIL]) or "no detail"
