"""One zygote as the host sees it: started, given programs, asked for verdicts, ended."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import weakref
from functools import lru_cache
from pathlib import Path
from typing import Any

from listeval.errors import UserError
from listeval.scoring.execution import inside, program
from listeval.scoring.execution.isolation import Launch
from listeval.scoring.execution.program import Limits, Outcome, Program, Ran

_START = 60.0
"""Seconds for a zygote to come up: some 0.1 on a quiet machine."""
_END = 5.0
_FIX = (
    "allow user namespaces (sysctl user.max_user_namespaces=15000, kernel.unprivileged_userns_clone=1, on Ubuntu "
    "kernel.apparmor_restrict_unprivileged_userns=0; in a container, --privileged) or apt-get install bubblewrap"
)
_MODULES = ("kernel", "root", "runner", "forker", "child", "judge", "zygote")
_open: weakref.WeakSet[Worker] = weakref.WeakSet()


class WorkerDied(Exception):
    """The zygote ended or does not answer; the program in it has no verdict."""


class Worker:
    """A running zygote. Use `ask`, then `answer` when `fileno` is readable."""

    def __init__(self, launch: Launch, executable: str, limits: Limits, instructions: bytes) -> None:
        """Raises UserError with the step that failed where this isolation does not work here."""
        self._channel, theirs = socket.socketpair()
        command = [*launch.prefix, executable, "-P", "-s", "-S", "-B", "-X", "utf8", "-c", _sources()["boot"]]
        # Iteration order of sets must not turn a verdict from run to run, hence the fixed hash seed. Symbols are bound
        # at the start because each fork would bind them anew.
        self._process = subprocess.Popen(
            command,
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={"PYTHONHASHSEED": "0", "LD_BIND_NOW": "1"},
            cwd="/",
            start_new_session=True,
        )
        theirs.close()
        self._lines = self._channel.makefile("rb")
        _remember(self)
        modules = [(f"{inside.__name__}.{name}", _sources()[name]) for name in _MODULES]
        hello = {
            "modules": [(program.__name__, _sources()["program"]), *modules],
            "zygote": f"{inside.__name__}.zygote",
            "limits": limits,
            "filter": instructions.hex(),
            **launch.config,
        }
        self._channel.settimeout(_START)
        self._begin(launch, hello)
        self._channel.settimeout(None)

    def _begin(self, launch: Launch, hello: dict[str, Any]) -> None:
        try:
            self._send(hello)
            said = self._receive()
            reason = said.get("broken", "")
        except WorkerDied:
            self._channel.close()
            reason = self._last_words() or "the process ended without a word"
        if reason:
            self.close()
            raise UserError(f"{launch.isolation} cannot isolate code here: {reason}", fix=_FIX)

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            errors = self._process.communicate(timeout=_END)[1]
            return next((line for line in reversed(errors.decode("utf-8", "replace").splitlines()) if line), "")
        return ""

    def fileno(self) -> int:
        """The socket, for select."""
        return self._channel.fileno()

    def ask(self, what: Program) -> None:
        """Start a program. A zygote that has died meanwhile says so when its answer is read."""
        with contextlib.suppress(WorkerDied):
            self._send([what.code, what.tests, what.setup])

    def answer(self) -> Ran:
        """The verdict on the program that was started last. Raises WorkerDied."""
        said = self._receive()
        try:
            outcome, detail, seconds = said
            return Ran(Outcome(outcome), detail, seconds)
        except (ValueError, TypeError):
            raise WorkerDied(str(said)) from None

    def close(self) -> None:
        """End the zygote and everything below it. Harmless when repeated."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        self.forget()
        if self._process.stderr:
            self._process.stderr.close()
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _open.discard(self)

    def forget(self) -> None:
        """Close this process's end of the socket without ending the zygote."""
        with contextlib.suppress(OSError):
            self._lines.close()
        self._channel.close()

    def _send(self, message: object) -> None:
        try:
            self._channel.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise WorkerDied(str(error)) from None

    def _receive(self) -> Any:
        try:
            return json.loads(self._lines.readline())
        except (OSError, ValueError) as error:
            raise WorkerDied(str(error)) from None


@lru_cache(maxsize=1)
def _sources() -> dict[str, str]:
    """The text of what runs inside, which cannot read it there."""
    names = {name: Path(inside.__path__[0]) / f"{name}.py" for name in ("boot", *_MODULES)}
    assert program.__file__
    return {name: path.read_text("utf-8") for name, path in {**names, "program": Path(program.__file__)}.items()}


def _forget_all() -> None:
    for worker in list(_open):
        worker.forget()


def _remember(worker: Worker) -> None:
    """A process forked from this one must not keep the zygote's socket open after this one has been killed."""
    _register_once()
    _open.add(worker)


@lru_cache(maxsize=1)
def _register_once() -> None:
    os.register_at_fork(after_in_child=_forget_all)
