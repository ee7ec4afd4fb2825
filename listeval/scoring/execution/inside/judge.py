"""The zygote's side of one trial: start the answer, have the tests examine it, watch both, say what became of it.

This process runs no foreign code. The answer's process and the tests' start at the same time: the one with the code,
the other with the tests, the numbers that prove that the code has run, and the other end of the answer's channel, which
it reads from then on (this process does where there are no tests). So a verdict is the tests' process's word, on a
channel that no answer's process has a descriptor of. The answer's process is believed in one thing only, that its code
ran to its end, and anything unexpected on its channel is taken as tampering, which is an `exception`. No answer of a
program can make it `sandbox`, so a program cannot take itself out of the mean.
"""

from __future__ import annotations

import _socket
import marshal
import os
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from listeval.scoring.execution.inside import examiner, runner
from listeval.scoring.execution.inside.child import Child, send_descriptors
from listeval.scoring.execution.inside.peer import LAST, MORE, PACKET
from listeval.scoring.execution.program import Limits, Outcome, Ran

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


class Assignment(NamedTuple):
    """A program as it is judged. `names`: what its tests leave to the answer. `pure`: whether they can leave nothing
    behind, nor see what a call does to its arguments. `examined`: what their process is told; empty without tests."""

    code: str
    setup: str
    names: Sequence[str]
    pure: bool
    examined: bytes


class Trial:
    """One program in its two processes: both start at once, `verdict` waits for their end.

    Statements are sent ahead as far as the channel takes them.
    """

    def __init__(self, child: Child, tests: Child, task: Assignment, limits: Limits, host: socket.socket) -> None:
        self._child, self._tests, self._task, self._limits = child, tests, task, limits
        self._wall, self._cpu = time.monotonic(), child.cpu() + tests.cpu()
        self._host = host.fileno()
        self._waited: float | None = None
        self._number = os.urandom(16)
        self._unsent: deque[bytes] = deque()
        self._held: list[bytes] = []
        self.tests_reusable = True
        """Whether the tests' process is as good as before."""
        # The tests' setup runs before the code, which could spoil a file that it needs, and so be `sandbox`.
        self._setup_first = bool(task.setup and task.examined) and not task.pure
        self._proofs: list[tuple[bytes, bytes]] = []
        if task.setup:
            self._queue(runner.SETUP, task.setup)
        ahead = len(self._unsent)
        self._queue(runner.CODE, task.code, task.names if task.examined else ())
        if self._setup_first:
            while len(self._unsent) > ahead:
                self._held.insert(0, self._unsent.pop())
        self._send()
        if task.examined and not self._setup_first:
            self._examine()

    def verdict(self) -> Ran:
        """What became of it; its processes may still be there. Raises HostGone."""
        try:
            if self._setup_first:
                self._run_setup()
                self._examine()
            if self._task.examined:
                self._examined()
            for kind, proof in self._proofs if not self._task.examined else ():
                self._prove(kind, proof)
        except _Over as over:
            return Ran(over.outcome, over.detail, self._seconds())
        except _Silent:
            return _post_mortem(self._child, self._limits)
        return Ran(Outcome.OK, "", self._seconds())

    def _run_setup(self) -> None:
        """Have both processes run the setup, then let the code run."""
        self._prove(*self._proofs.pop(0))
        self._order((self._task.setup,), [])
        try:
            answer = self._before_code(self._tests)
        except _Silent:
            answer = b""
        if answer != runner.DONE:
            raise _broken(answer.removeprefix(examiner.USED))
        self._unsent += self._held
        self._send()

    def _examine(self) -> None:
        """Have the tests run on the answer. Their process talks to the answer's by itself."""
        self._order((self._task.examined, self._proofs, self._number), [self._child.channel.fileno()])

    def _examined(self) -> None:
        """What the tests' process says. Returns where all tests have passed."""
        try:
            answer = self._before_code(self._tests) if self._proofs[0][0] == runner.SETUP else examiner.PROVED
            if answer == examiner.PROVED:
                answer = self._answer(self._tests)
        except _Silent:
            raise _Over(Outcome.EXCEPTION, "the tests ended their own process") from None
        self.tests_reusable = not answer.startswith(examiner.USED)
        answer = answer.removeprefix(examiner.USED)
        if answer == examiner.GONE:
            raise _Silent
        if answer[:1] == examiner.BROKEN:
            raise _broken(answer)
        if answer[:1] == examiner.QUOTED:
            self._check(answer[1:2], answer[2:])
        if answer != runner.DONE + self._number[::-1]:
            self._reject(answer)

    def _order(self, order: tuple[Any, ...], descriptors: list[int]) -> None:
        self.tests_reusable = False
        data, room = marshal.dumps(order), PACKET - 1
        for start in range(0, len(data), room):
            mark = LAST if start + room >= len(data) else MORE
            carried = [] if start else descriptors
            send_descriptors(self._tests.channel, mark + data[start : start + room], carried)

    def _seconds(self) -> float:
        return self._child.cpu() + self._tests.cpu() - self._cpu

    def _queue(self, kind: bytes, text: str, names: Sequence[str] = ()) -> None:
        """Prepare the packets of a statement, and the answer that proves it has run."""
        source, room = text.encode("utf-8", "surrogatepass"), PACKET - 1
        for start in range(0, max(len(source), 1), room):
            last = start + room >= len(source)
            self._unsent.append((kind if last else MORE) + source[start : start + room])
        number = b"\0" + os.urandom(runner.NUMBER - 1)
        asked = " ".join(names).encode("utf-8", "surrogatepass")
        # Those that do not fit are asked for one by one.
        self._unsent.append(number + (asked if len(asked) < PACKET // 4 else b""))
        self._proofs.append((kind, runner.DONE + number[::-1]))

    def _prove(self, kind: bytes, proof: bytes) -> None:
        try:
            answer = (self._before_code if kind == runner.SETUP else self._answer)(self._child)
        except _Silent:
            answer = b""
        if answer != proof:
            self._check(kind, answer)

    def _before_code(self, child: Child) -> bytes:
        """An answer while the setup runs, whose limits it is that are reached."""
        try:
            return self._answer(child)
        except _Over as over:
            raise _Over(Outcome.SANDBOX, f"setup: {over.detail}") from None

    def _check(self, kind: bytes, answer: bytes) -> NoReturn:
        """What the answer's process said of a statement in place of its proof; nothing where it hung up."""
        if kind == runner.SETUP:
            # Whatever goes wrong before the program's code has run cannot be its fault.
            raise _broken(answer)
        if not answer:
            raise _Silent
        self._reject(answer)

    def _reject(self, answer: bytes) -> NoReturn:
        first = answer[:1]
        if first == runner.MEMORY:
            raise _Over(Outcome.MEMORY, f"needs more than {self._limits.memory >> 20} MiB")
        if first not in _ANSWERS:
            raise _Over(Outcome.EXCEPTION, "wrote on the runner's channel")
        raise _Over(_ANSWERS[first], _text(answer))

    def _answer(self, child: Child) -> bytes:
        while True:
            self._send()
            wanted = {child.channel.fileno(): select.POLLIN, self._host: select.POLLRDHUP}
            if self._unsent:
                to = self._child.channel.fileno()
                wanted[to] = wanted.get(to, 0) | select.POLLOUT
            poll = select.poll()
            for descriptor, events in wanted.items():
                poll.register(descriptor, events)
            found = dict(poll.poll(max(self._left(), _TICK) * 1000))
            if self._host in found:
                raise HostGone
            if found.get(child.channel.fileno(), 0) & ~select.POLLOUT:
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
        own = self._awake(wall) if wall >= self._limits.wall and cpu < _SLEEPER * wall else 0.0
        slept = own >= self._limits.wall and cpu < _SLEEPER * own
        if slept or wall >= _LONGEST_WALL * self._limits.wall:
            raise _Over(Outcome.TIMEOUT, f"did not end in {wall:.0f} s, of which it computed for {cpu:.1f} s")
        until_wall = self._limits.wall - (own or wall)
        return min(self._limits.cpu - cpu, until_wall if until_wall > 0 else 1.0)

    def _awake(self, wall: float) -> float:
        """Seconds so far, less those for which it waited for a processor, which are the machine's doing."""
        if self._waited is None:
            self._waited = self._tests.waited()  # in other trials, and in this one until now
        return wall - self._child.waited() - (self._tests.waited() - self._waited)


def _broken(answer: bytes) -> _Over:
    said = "it ended the process" if not answer else _text(answer)
    return _Over(Outcome.SANDBOX, f"setup: {'out of memory' if answer == runner.MEMORY else said}")


def _receive(channel: _socket.socket) -> bytes:
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
    status, cpu = child.autopsy()
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
