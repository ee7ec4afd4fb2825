"""The warm process inside the isolation: have a process forked for every program, judge it, tidy up.

A process is forked while the program before it runs, so the time is not lost.
"""

from __future__ import annotations

import _socket
import json
import os
import socket
import sys
from pathlib import Path
from typing import IO

from listeval.scoring.execution.inside import child, judge, kernel, root
from listeval.scoring.execution.program import Limits


def serve(lines: IO[bytes], forks: int, proc: int, limits: Limits) -> None:
    """Judge programs until the host hangs up.

    `lines`: what it says. Descriptors: `forks`, a channel to the process that forks; `proc`, a /proc with programs.
    """
    with socket.socket(fileno=os.dup(lines.fileno())) as channel:
        try:
            _Zygote(channel, child.Forker(_socket.socket(fileno=forks), proc, limits), limits).serve(lines)
        except child.ForkerDied as error:
            _send(channel, {"broken": str(error)})


_TMP = Path(root.TMP)


class _Zygote:
    """Init of a PID namespace: when it ends, so does everything below it."""

    def __init__(self, channel: socket.socket, forker: child.Forker, limits: Limits) -> None:
        self._channel, self._forker, self._limits = channel, forker, limits
        self._new_tmp()

    def serve(self, lines: IO[bytes]) -> None:
        """One program after the other."""
        waiting, tests = self._forker.take(), self._forker.tests()
        _send(self._channel, {"ready": list(sys.version_info[:3])})
        while line := lines.readline():
            # The kernel may have killed it while it waited, for memory that others used.
            running = self._forker.take() if waiting.ended() else waiting
            code, setup, names, pure, examined = json.loads(line)  # `statements.examination`
            task = judge.Assignment(code, setup, names, pure, bytes.fromhex(examined))
            trial = judge.Trial(running, tests, task, self._limits, self._channel)
            self._forker.ask()
            try:
                ran = trial.verdict()
            except judge.HostGone:
                return
            running.kill()
            _send(self._channel, list(ran))
            running.end()
            waiting = self._forker.take()
            changed = self._tidy()
            if changed:
                waiting.end()  # it stands in the old /tmp
                waiting = self._forker.take()
            if changed or not (pure and trial.tests_reusable):
                tests.end()
                tests = self._forker.tests()

    def _new_tmp(self) -> None:
        options = f"size={self._limits.tmp_size},nr_inodes={self._limits.inodes},mode=700"
        kernel.mount_tmpfs(root.TMP, options)
        self._pristine = self._state()

    def _tidy(self) -> bool:
        """A fresh /tmp unless the program left it as it was (it has no system call for attributes of other kinds)."""
        if self._state() == self._pristine:
            return False
        kernel.unmount(root.TMP)
        self._new_tmp()
        return True

    def _state(self) -> tuple[int, int, int]:
        found = os.statvfs(root.TMP)
        return _TMP.stat().st_mode, found.f_ffree, found.f_bfree


def _send(channel: socket.socket, message: object) -> None:
    channel.sendall(json.dumps(message).encode() + b"\n")
