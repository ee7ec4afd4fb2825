"""The warm process inside the isolation: isolate, have a process forked for every program, judge it, tidy up.

A process is forked while the program before it runs, so the time is not lost. Standard modules that answers often
import are there already.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from listeval.scoring.execution.inside import child, judge, kernel, root
from listeval.scoring.execution.program import Limits, Program

_WARM = """\
bisect cmath collections copy functools heapq itertools math operator re string types typing"""


def main(channel: socket.socket, config: dict[str, Any]) -> None:
    """Isolate, say that it worked or what did not, then judge programs until the host hangs up.

    `config`: `root` (arguments of `enter_root`, or null where bubblewrap has done that), `covered` directories,
    `limits` as a list, `filters` of system calls (inherited, added) in hexadecimal.
    """
    try:
        proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
        if config["root"] is not None:
            root.enter_root(proc, **config["root"])
        root.enter_namespaces(config["covered"], proc)
    except OSError as error:
        _send(channel, {"broken": f"{error.filename}: {error.strerror}"})
        return
    try:
        pid = kernel.fork()
    except OSError as error:
        _send(channel, {"broken": f"{error.filename}: {error.strerror}"})
        return
    if pid:
        channel.close()
        os.waitpid(pid, 0)
        return
    try:
        _Zygote(channel, Limits(*config["limits"]), list(map(bytes.fromhex, config["filters"]))).serve()
    except OSError as error:
        _send(channel, {"broken": f"{error.filename}: {error.strerror}"})
    except child.ForkerDied as error:
        _send(channel, {"broken": str(error)})
    except MemoryError:
        _send(channel, {"broken": "out of memory"})
    finally:
        os._exit(0)


class _Zygote:
    """Init of a PID namespace: when it ends, so does everything below it."""

    def __init__(self, channel: socket.socket, limits: Limits, filters: list[bytes]) -> None:
        self._channel, self._limits = channel, limits
        self._null_streams()
        os.environ.clear()
        os.umask(0o022)
        self._new_tmp()
        for name in _WARM.split():
            import_module(name)
        self._forker = child.Forker(limits, filters)

    def serve(self) -> None:
        """One program after the other."""
        lines = self._channel.makefile("rb")
        waiting, tests = self._forker.take(), self._forker.tests()
        _send(self._channel, {"ready": list(sys.version_info[:3])})
        while line := lines.readline():
            # The kernel may have killed it while it waited, for memory that others used.
            running = self._forker.take() if waiting.ended() else waiting
            code, (*rest, pure) = json.loads(line)  # the tests are compiled: `statements.examination`
            trial = judge.Trial(running, tests, Program(code, *rest), pure, self._limits, self._channel)
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

    def _null_streams(self) -> None:
        null = os.open("/dev/null", os.O_RDWR)
        for stream in range(3):
            os.dup2(null, stream)
        os.close(null)

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
        return Path(root.TMP).stat().st_mode, found.f_ffree, found.f_bfree


def _send(channel: socket.socket, message: object) -> None:
    channel.sendall(json.dumps(message).encode() + b"\n")
