"""The zygote's side of one trial: start the answer, have the tests examine it, watch both, say what became of it.

This process runs no foreign code. It believes the answer's process in one thing only, that its code ran to its end, and
takes anything unexpected on its channel as tampering, which is an `exception`. No answer of a program can make it
`sandbox`, so a program cannot take itself out of the mean.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from collections import deque

from listeval.scoring.execution.inside import examiner, runner
from listeval.scoring.execution.inside.child import Child
from listeval.scoring.execution.inside.peer import LAST, MORE, PACKET
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

    def __init__(self, child: Child, program: Program, pure: bool, limits: Limits, host: socket.socket) -> None:
        """`pure`: whether the tests can leave nothing behind, nor see what a call does to its arguments."""
        self._pure = pure
        self._child, self._program, self._limits = child, program, limits
        self._wall, self._cpu = time.monotonic(), child.cpu()
        self._poll = select.poll()
        self._poll.register(host, select.POLLRDHUP)
        self._host = host.fileno()
        self._unsent: deque[bytes] = deque()
        self._tests: Child | None = None
        self.tests_reusable = True
        """Whether the tests' process is as good as before."""
        statements = [(runner.CODE, program.code)]
        if program.setup:
            statements.insert(0, (runner.SETUP, program.setup))
        self._proofs = [(kind, self._queue(kind, source)) for kind, source in statements]
        self._unsent.append(runner.TEST + json.dumps(program.names).encode())
        self._held: deque[bytes] = deque()
        if self._setup_first():
            # The tests' setup runs before the code, which could spoil a file that it needs, and so be `sandbox`.
            code = next(i for i, packet in enumerate(self._unsent) if packet[:1] == b"\0") + 1
            while len(self._unsent) > code:
                self._held.appendleft(self._unsent.pop())
        self._send()

    def verdict(self, tests: Child) -> Ran:
        """What became of it; its process may still be there. `tests` runs the tests. Raises HostGone."""
        try:
            for kind, proof in self._proofs:
                if kind == runner.SETUP:
                    self._setup(self._child, proof)
                    if self._setup_first():
                        self._prepare(tests)
                else:
                    self._check(self._answer(self._child), proof)
            if self._program.tests:
                self._examine(tests)
        except _Over as over:
            return Ran(over.outcome, over.detail, self._seconds())
        except _Silent:
            return _post_mortem(self._child, self._limits)
        return Ran(Outcome.OK, "", self._seconds())

    def _examine(self, tests: Child) -> None:
        """Have the tests run. They talk to the answer's process by themselves."""
        number = os.urandom(16)
        program = self._program
        order = [program.setup, program.tests, program.names, self._pure, number.hex()]
        self._order(tests, order, [self._child.channel.fileno()])
        try:
            answer = self._answer(tests)
        except _Silent:
            raise _Over(Outcome.EXCEPTION, "the tests ended their own process") from None
        self.tests_reusable = not answer.startswith(examiner.USED)
        answer = answer.removeprefix(examiner.USED)
        if answer == examiner.GONE:
            raise _Silent
        if answer[:1] == examiner.BROKEN:
            raise _Over(Outcome.SANDBOX, f"setup: {_text(answer)}")
        self._check(answer, runner.DONE + number[::-1])

    def _setup_first(self) -> bool:
        return bool(self._program.setup and self._program.tests) and not self._pure

    def _prepare(self, tests: Child) -> None:
        """Have the tests' process run the setup, then let the code run."""
        self._order(tests, [self._program.setup], [])
        self._setup(tests, runner.DONE)
        self._unsent += self._held
        self._send()

    def _order(self, tests: Child, order: list[object], descriptors: list[int]) -> None:
        self.tests_reusable = False
        if self._tests is None:
            self._tests, self._cpu = tests, self._cpu + tests.cpu()
        data, room = json.dumps(order).encode(), PACKET - 1
        for start in range(0, len(data), room):
            mark = LAST if start + room >= len(data) else MORE
            carried = [] if start else descriptors
            socket.send_fds(tests.channel, [mark + data[start : start + room]], carried)

    def _seconds(self) -> float:
        return self._child.cpu() + (self._tests.cpu() if self._tests else 0.0) - self._cpu

    def _queue(self, kind: bytes, text: str) -> bytes:
        """Prepare the packets of a statement; the answer that proves it has run."""
        source, room = text.encode("utf-8", "surrogatepass"), PACKET - 1
        for start in range(0, max(len(source), 1), room):
            last = start + room >= len(source)
            self._unsent.append((kind if last else MORE) + source[start : start + room])
        number = b"\0" + os.urandom(16)  # an echo of it is no answer
        self._unsent.append(number)
        return runner.DONE + number[::-1]

    def _setup(self, child: Child, proof: bytes) -> None:
        """Whatever goes wrong before the program's code has run cannot be its fault."""
        try:
            answer = self._answer(child).removeprefix(examiner.USED)
        except _Silent:
            raise _Over(Outcome.SANDBOX, "setup: it ended the process") from None
        except _Over as over:
            raise _Over(Outcome.SANDBOX, f"setup: {over.detail}") from None
        if answer != proof:
            raise _Over(Outcome.SANDBOX, f"setup: {'out of memory' if answer == runner.MEMORY else _text(answer)}")

    def _check(self, answer: bytes, proof: bytes) -> None:
        if answer == proof:
            return
        first = answer[:1]
        if first == runner.MEMORY:
            raise _Over(Outcome.MEMORY, f"needs more than {self._limits.memory >> 20} MiB")
        if first not in _ANSWERS:
            raise _Over(Outcome.EXCEPTION, "wrote on the runner's channel")
        raise _Over(_ANSWERS[first], _text(answer))

    def _answer(self, child: Child) -> bytes:
        while True:
            self._send()
            self._poll.register(child.channel, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            for descriptor, found in self._poll.poll(max(self._left(), _TICK) * 1000):
                if descriptor == self._host:
                    raise HostGone
                if found & ~select.POLLOUT:
                    self._poll.unregister(child.channel)
                    return _receive(child.channel)

    def _send(self) -> None:
        try:
            while self._unsent:
                self._child.channel.send(self._unsent[0], socket.MSG_DONTWAIT)
                self._unsent.popleft()
        except BlockingIOError:
            return
        except OSError:
            self._unsent.clear()  # it is closed; what it said before comes first

    def _left(self) -> float:
        """Seconds until a limit can be reached at the earliest (threads aside). Raises `_Over` past one."""
        cpu, wall = self._seconds(), time.monotonic() - self._wall
        if cpu >= self._limits.cpu:
            raise _Over(Outcome.TIMEOUT, f"used {self._limits.cpu:g} s of CPU time")
        slept = wall >= self._limits.wall and cpu < _SLEEPER * wall
        if slept or wall >= _LONGEST_WALL * self._limits.wall:
            raise _Over(Outcome.TIMEOUT, f"did not end in {wall:.0f} s, of which it computed for {cpu:.1f} s")
        until_wall = self._limits.wall - wall
        return min(self._limits.cpu - cpu, until_wall if until_wall > 0 else 1.0)


def _receive(channel: socket.socket) -> bytes:
    try:
        answer = channel.recv(PACKET)
    except ConnectionResetError:
        # It ended with statements unread, which is told before what it wrote.
        answer = channel.recv(PACKET)
    if not answer:
        raise _Silent
    return answer


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
