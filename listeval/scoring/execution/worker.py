"""One zygote as the host sees it: started, given programs, asked for verdicts, ended."""

from __future__ import annotations

import contextlib
import errno
import json
import marshal
import os
import signal
import socket
import subprocess
import sys
import weakref
from functools import lru_cache
from pathlib import Path
from typing import Any

from listeval.errors import UserError
from listeval.scoring.execution import inside, program, statements
from listeval.scoring.execution.isolation import Launch
from listeval.scoring.execution.program import Limits, Outcome, Program, Ran
from listeval.scoring.execution.syscalls import Filters

_START = 60.0
"""Seconds for a zygote to come up: some 0.1 on a quiet machine."""
_END = 5.0
_FIX = (
    "allow user namespaces (sysctl user.max_user_namespaces=15000, kernel.unprivileged_userns_clone=1, on Ubuntu "
    "kernel.apparmor_restrict_unprivileged_userns=0; in a container, --privileged) or apt-get install bubblewrap"
)
PROCESSES = "let it have more processes (pids.max of the container or cgroup, ulimit -u), some 8 for each worker"
_MEMORY = "let it have more memory (memory.max of the container or cgroup, ulimit -v)"
_FORKED = (
    "kernel",
    "root",
    "values",
    "peer",
    "exported",
    "proxies",
    "runner",
    "examiner",
    "rehearsal",
    "forker",
    "start",
)
_JUDGES = ("child", "judge", "zygote")
"""Modules that every program's process is forked with, and those that it is not."""
_open: weakref.WeakSet[Worker] = weakref.WeakSet()


class WorkerDied(Exception):
    """The zygote ended or does not answer; the program in it has no verdict."""


class Worker:
    """A running zygote. Use `ask`, then `answer` when `fileno` is readable."""

    def __init__(self, launch: Launch, executable: str, limits: Limits, filters: Filters) -> None:
        """Raises UserError with the step that failed where this isolation does not work here."""
        self._channel, theirs = socket.socketpair()
        command = [*launch.prefix, executable, "-P", "-s", "-S", "-B", "-X", "utf8", "-c", _text("boot")]
        # Iteration order of sets must not turn a verdict from run to run, hence the fixed hash seed. Symbols are bound
        # at the start because each fork would bind them anew.
        self._process = _started(
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
        hello = {
            "start": f"{inside.__name__}.start",
            "limits": limits,
            "filters": [instructions.hex() for instructions in filters],
            **launch.config,
        }
        self._channel.settimeout(_START)
        self._begin(launch, (hello, _FORKED), ({"zygote": f"{inside.__name__}.zygote"}, _JUDGES))
        self._channel.settimeout(None)

    def _begin(self, launch: Launch, *hello: tuple[dict[str, Any], tuple[str, ...]]) -> None:
        try:
            for message, names in hello:
                modules = _modules(names)
                sizes = [(name, len(code)) for name, code in modules]
                told = json.dumps({**message, "modules": sizes}).encode() + b"\n" + b"".join(dict(modules).values())
                # One that cannot isolate says so and ends, perhaps before it is told everything.
                with contextlib.suppress(WorkerDied):
                    self._write(told)
            said = self._receive()
            reason = said.get("broken", "")
        except WorkerDied:
            self._channel.close()
            reason = self._last_words() or "the process ended without a word"
        if reason:
            self.close()
            raise UserError(f"{launch.isolation} cannot isolate code here: {reason}", fix=_fix(reason))

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            errors = self._process.communicate(timeout=_END)[1]
            if self._process.returncode == -signal.SIGKILL:
                return "the process was killed, as for want of memory"
            return next((line for line in reversed(errors.decode("utf-8", "replace").splitlines()) if line), "")
        return ""

    def fileno(self) -> int:
        """The socket, for select."""
        return self._channel.fileno()

    def ask(self, what: Program) -> None:
        """Start a program. A zygote that has died meanwhile says so when its answer is read."""
        with contextlib.suppress(WorkerDied):
            self._write(f"[{json.dumps(what.code)}, {statements.examination(what)}]\n".encode())

    def answer(self) -> Ran:
        """The verdict on the program that was started last. Raises WorkerDied."""
        said = self._receive()
        if isinstance(said, dict):
            raise WorkerDied(said.get("broken", ""))
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

    def _write(self, message: bytes) -> None:
        try:
            self._channel.sendall(message)
        except OSError as error:
            raise WorkerDied(str(error)) from None

    def _receive(self) -> Any:
        try:
            return json.loads(self._lines.readline())
        except (OSError, ValueError) as error:
            raise WorkerDied(str(error)) from None


def _started(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, **options)
    except OSError as error:
        cause = f"the sandbox cannot start a process: {error.strerror}"
        raise UserError(cause, place=command[0], fix=_fix(str(error.strerror))) from None


def _fix(reason: str) -> str:
    if os.strerror(errno.EAGAIN) in reason:
        return PROCESSES
    if "ulimit" in reason:
        return "raise that limit for this process, or give the sandbox smaller ones"
    return _MEMORY if "memory" in reason else _FIX


def processes_left() -> bool:
    """Whether this process may still start another."""
    try:
        pid = os.posix_spawn(sys.executable, [sys.executable, "-I", "-S", "-c", ""], {})
    except OSError:
        return False
    os.waitpid(pid, 0)
    return True


@lru_cache(maxsize=2)
def _modules(names: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """What runs inside, which cannot read it there: names and code, as marshal writes it.

    Compiled here, and without docstrings, because every fork copies the map of what the compiler leaves behind.
    """
    texts = {f"{inside.__name__}.{name}": _text(name) for name in names}
    if "start" in names:
        texts = {program.__name__: Path(str(program.__file__)).read_text("utf-8"), **texts}
    compiled = {name: compile(text, name, "exec", dont_inherit=True, optimize=2) for name, text in texts.items()}
    return [(name, marshal.dumps(code)) for name, code in compiled.items()]


def _text(name: str) -> str:
    return (Path(inside.__path__[0]) / f"{name}.py").read_text("utf-8")


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
