"""Some command lines at a time, each job's one after the other, until nothing is left."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from listeval.errors import UserError
from listopd.cliff.arms import Tell
from listopd.cliff.recipe_job import Job, last_words

_LOOK_EVERY_S = 0.2
_GRACE_S = 120.0
"""How long a training may take to save its state when it is asked to stop."""
_INTERRUPTED = {130, 143, -signal.SIGINT, -signal.SIGTERM}


class _Running(NamedTuple):
    job: Job
    process: subprocess.Popen[bytes]
    heard: Path


def work_off(jobs: Sequence[Job], at_once: int, tell: Tell, *, cuda: bool = False) -> None:
    """Finish all jobs, `at_once` at a time. On an error or Ctrl-C the others are stopped and save their states.

    On CUDA each of several jobs sees one device of its own. Raises UserError, with the process' own last line, where a
    command fails.
    """
    pending, running = deque(jobs), dict[int, _Running]()
    devices = _devices_of_slots(at_once) if cuda and at_once > 1 else None
    with _stopping(running):
        while pending or running:
            for slot in range(at_once):
                if slot not in running and pending:
                    job = pending.popleft()
                    job.begin()
                    _go_on(job, slot, running, devices)
            for slot, (job, process, heard) in list(running.items()):
                tell(job.steps(), job.words)
                if process.poll() is not None:
                    del running[slot]
                    _check(job, process.returncode, heard)
                    _go_on(job, slot, running, devices)
            time.sleep(_LOOK_EVERY_S)


def _devices_of_slots(at_once: int) -> list[str]:
    """The CUDA device of each job, of those that this process was given. Raises UserError where they are too few."""
    import torch

    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = given.split(",") if given is not None else [str(at) for at in range(torch.cuda.device_count())]
    if len(devices) < at_once:
        cause = f"{at_once} jobs want a device each, and there are {len(devices)}"
        raise UserError(cause, place="--jobs", fix=f"--jobs {max(1, len(devices))}")
    return devices


def _go_on(job: Job, slot: int, running: dict[int, _Running], devices: Sequence[str] | None) -> None:
    with _alone(job.folder) as handle:
        command = job.next()
        if command is None:
            return
        environment = {**os.environ, **({} if devices is None else {"CUDA_VISIBLE_DEVICES": devices[slot]})}
        heard = job.folder / "last-process.txt"
        with heard.open("wb") as stream:
            running[slot] = _Running(job, _start(command, stream, environment, handle), heard)


@contextmanager
def _alone(folder: Path) -> Iterator[int]:
    """A lock that the started process inherits: where a kill took the sweep only, its process still holds it."""
    handle = os.open(folder / ".process", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield handle
    except BlockingIOError:
        holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
        cause = f"a process of an earlier sweep (pid {holder}) still works on this arm"
        raise UserError(cause, place=str(folder), fix="wait for it, or end it; then sweep again") from None
    finally:
        os.close(handle)


def _start(command: list[str], stream: IO[Any], environment: dict[str, str], lock: int) -> subprocess.Popen[bytes]:
    """In a session of its own: a terminal's Ctrl-C reaches the sweep alone, which then asks each process once to stop.

    Asked twice, a training would end without saving its state.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=(lock,),
            start_new_session=True,
        )
    except OSError as error:
        cause = f"'{command[0]}' cannot be started: {error.strerror}"
        raise UserError(cause, place="launcher", fix="correct the study's launcher") from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{process.pid}\n".encode(), 0)
    return process


def _check(job: Job, code: int, heard: Path) -> None:
    if code in _INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        cause = f"an arm's process ended with {code}: {last_words(heard)}"
        raise UserError(cause, place=str(job.folder), fix="put that right, then sweep again: finished arms are kept")


@contextmanager
def _stopping(running: dict[int, _Running]) -> Iterator[None]:
    """Whatever goes wrong, no process is left behind; a training saves its state when it is asked to stop."""
    try:
        yield
    finally:
        for _, process, _ in running.values():
            process.terminate()
        for _, process, _ in running.values():
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
