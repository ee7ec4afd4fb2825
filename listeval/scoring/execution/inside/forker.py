"""The process that programs are forked from. It never sees a program, so neither does any process forked from it.

It keeps apart from the one that talks and judges for speed as well: what that one writes to its memory would have to be
copied after every fork; so would be what this one touches, which is as little as can be.

A request with a descriptor asks for a process: what for, and the pid of one that has ended and is to be let go (or 0);
the descriptor is the new one's end of a channel. One without asks for the end of the process of that pid.
"""

from __future__ import annotations

import _socket
import gc
import os
import resource
import struct
from collections.abc import Sequence
from typing import NoReturn

from listeval.scoring.execution.inside import examiner, kernel, runner
from listeval.scoring.execution.inside.rehearsal import Rehearsal, rehearse
from listeval.scoring.execution.inside.root import TMP
from listeval.scoring.execution.program import Limits

ANSWER, TESTS = b"a", b"t"
"""What a process is for: to run an answer, or tests."""
REQUEST = struct.Struct("ci")
FAILED = b"!"
"""Before the reason, in place of a pid, which is shorter."""
PID = struct.Struct("i")
ENDED = struct.Struct("<id")
"""Wait status and CPU seconds."""

_STACK = 8 << 20


def serve(channel: _socket.socket, limits: Limits, filters: Sequence[bytes]) -> NoReturn:
    """Fork and reap as asked until the other end is closed."""
    zygote = os.pidfd_open(os.getpid())
    inherited, system_calls = map(kernel.SystemCallFilter, filters)
    try:
        _limit(limits)
    except (ValueError, OSError) as error:
        channel.send(FAILED + str(error).encode())
        os._exit(0)
    inherited.apply()
    rehearse()
    rehearsal = Rehearsal()
    runner.hide()
    # Objects that are there now stay shared with every fork instead of being copied by a collection.
    gc.collect()
    kernel._libc.malloc_trim(0)
    gc.freeze()
    gc.disable()
    receive, room = channel.recvmsg, _socket.CMSG_SPACE(PID.size)
    while True:
        request, carried, _, _ = receive(REQUEST.size, room)
        if not request:
            os._exit(0)
        role, pid = REQUEST.unpack(request)
        if carried:
            (theirs,) = PID.unpack(carried[0][2])
            if pid:
                os.waitpid(pid, 0)
            try:
                pid = _fork(rehearsal, role, theirs, zygote, limits, system_calls)
                channel.send(PID.pack(pid))
            except OSError as error:
                channel.send(FAILED + f"{error.filename}: {error.strerror}".encode())
            os.close(theirs)
        else:
            _, status, usage = os.wait4(pid, 0)
            channel.send(ENDED.pack(status, usage.ru_utime + usage.ru_stime))


def _fork(
    rehearsal: Rehearsal, role: bytes, theirs: int, zygote: int, limits: Limits, system_calls: kernel.SystemCallFilter
) -> int:
    kernel.unshare(kernel.NEWPID)
    pid = kernel.fork()
    if pid == 0:
        try:
            _confine(theirs, limits.descriptors, system_calls)
            if role == ANSWER:
                rehearsal.run()
            (runner if role == ANSWER else examiner).serve()
        finally:
            os._exit(70)
    kernel.setns(zygote, kernel.NEWPID)
    return pid


def _limit(limits: Limits) -> None:
    """Limits that this process can live with; its forks inherit them. The others are the judge's to set (`child`)."""
    stack = resource.getrlimit(resource.RLIMIT_STACK)[1]
    for name, kind, most in (
        ("memory", resource.RLIMIT_AS, limits.memory),
        ("the size of files", resource.RLIMIT_FSIZE, limits.file_size),
        ("open files", resource.RLIMIT_NOFILE, limits.descriptors),
        ("the stack", resource.RLIMIT_STACK, _STACK if stack == resource.RLIM_INFINITY else min(_STACK, stack)),
        ("core files", resource.RLIMIT_CORE, 0),
        ("locked memory", resource.RLIMIT_MEMLOCK, 0),
        ("message queues", resource.RLIMIT_MSGQUEUE, 0),
    ):
        allowed = resource.getrlimit(kind)[1]
        if resource.RLIM_INFINITY != allowed < most:
            raise ValueError(f"a limit of this process (ulimit) on {name} is {allowed}, the sandbox's {most}")
        resource.setrlimit(kind, (most, most))


def _confine(channel: int, descriptors: int, system_calls: kernel.SystemCallFilter) -> None:
    """From a fork to a program's process: no descriptors, no capabilities, its system calls."""
    os.setsid()  # a signal to its process group must not mean ours
    os.dup2(channel, runner.CHANNEL)
    os.closerange(runner.CHANNEL + 1, descriptors)
    os.chdir(TMP)
    kernel.drop_capabilities()
    system_calls.apply()
    gc.enable()
