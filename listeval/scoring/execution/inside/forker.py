"""The process that programs are forked from. It never sees a program, so neither does any process forked from it.

It keeps apart from the one that talks and judges for speed as well: what that one writes to its memory would have to be
copied after every fork. One byte asks for a process, a pid for the end of one.
"""

from __future__ import annotations

import gc
import math
import os
import resource
import socket
import struct
from typing import NoReturn

from listeval.scoring.execution.inside import kernel, runner
from listeval.scoring.execution.inside.root import TMP
from listeval.scoring.execution.program import Limits

FORK = b"f"
PID = struct.Struct("<i")
ENDED = struct.Struct("<id")
"""Wait status and CPU seconds."""

_STACK = 8 << 20


def serve(channel: socket.socket, limits: Limits, instructions: bytes) -> NoReturn:
    """Fork and reap as asked until the other end is closed."""
    zygote = os.pidfd_open(os.getpid())
    system_calls = kernel.SystemCallFilter(instructions)
    _limit(limits)
    runner.hide()
    # Objects that are there now stay shared with every fork instead of being copied by a collection.
    gc.collect()
    gc.freeze()
    gc.disable()
    while request := channel.recv(PID.size):
        if request == FORK:
            _fork(channel, zygote, limits, system_calls)
        else:
            (pid,) = PID.unpack(request)
            _, status, usage = os.wait4(pid, 0)
            channel.send(ENDED.pack(status, usage.ru_utime + usage.ru_stime))
    os._exit(0)


def _fork(channel: socket.socket, zygote: int, limits: Limits, system_calls: kernel.SystemCallFilter) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    kernel.unshare(kernel.NEWPID)
    pid = os.fork()
    if pid == 0:
        try:
            _confine(theirs.fileno(), limits, system_calls)
            runner.serve()
        finally:
            os._exit(70)
    kernel.setns(zygote, kernel.NEWPID)
    socket.send_fds(channel, [PID.pack(pid)], [ours.fileno()])
    ours.close()
    theirs.close()


def _limit(limits: Limits) -> None:
    """Limits that this process can live with; its forks inherit them."""
    stack = resource.getrlimit(resource.RLIMIT_STACK)[1]
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_FSIZE, limits.file_size),
        (resource.RLIMIT_NOFILE, limits.descriptors),
        (resource.RLIMIT_STACK, _STACK if stack == resource.RLIM_INFINITY else min(_STACK, stack)),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def _confine(channel: int, limits: Limits, system_calls: kernel.SystemCallFilter) -> None:
    """From a fork to a program's process: no descriptors, no capabilities, its limits, its system calls."""
    os.setsid()  # a signal to its process group must not mean ours
    os.dup2(channel, runner.CHANNEL)
    os.closerange(runner.CHANNEL + 1, limits.descriptors)
    os.chdir(TMP)
    # The judge stops a program at its CPU limit; the kernel's own, in whole seconds, stands behind it. Four more
    # processes of the same user count as threads: this one's parent, its parents, and the next program's.
    cpu, threads = math.ceil(limits.cpu) + 2, limits.threads + 5
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    resource.setrlimit(resource.RLIMIT_NPROC, (threads, threads))
    kernel.drop_capabilities()
    system_calls.apply()
    gc.enable()
