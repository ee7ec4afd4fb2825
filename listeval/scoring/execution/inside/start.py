"""From the first process inside to the two that stay: isolate, be init of a PID namespace, start the one that forks.

What is imported here is imported in every program's process, and each page of it is copied or mapped for each: so the
standard modules that answers often import are read, and those that only the judge needs are not, before it is forked.
"""

from __future__ import annotations

import _socket
import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import IO, Any

from listeval.scoring.execution.inside import forker, kernel, root
from listeval.scoring.execution.program import Limits

_WARM = """\
bisect cmath collections copy functools heapq itertools math operator re string types typing"""


def main(lines: IO[bytes], config: dict[str, Any], load: Callable[[], dict[str, Any]]) -> None:
    """Isolate, say that it worked or what did not, then judge programs until the host hangs up.

    `lines`: what the host says. `config`: `root` (arguments of `enter_root`, or null where bubblewrap has done that),
    `covered` directories, `limits` as a list, `filters` of system calls (inherited, added) in hexadecimal. `load` reads
    the judge's modules, among them the one that the message names `zygote`.
    """
    try:
        proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
        if config["root"] is not None:
            root.enter_root(proc, **config["root"])
        root.enter_namespaces(config["covered"], proc)
        pid = kernel.fork()
    except OSError as error:
        _broken(lines, error)
        return
    if pid:
        lines.close()
        os.waitpid(pid, 0)
        return
    try:
        _prepare()
        limits = Limits(*config["limits"])
        forks = _start_forker(limits, [bytes.fromhex(text) for text in config["filters"]])
        sys.modules[load()["zygote"]].serve(lines, forks, proc, limits)
    except OSError as error:
        _broken(lines, error)
    except MemoryError:
        _send(lines, {"broken": "out of memory"})
    finally:
        os._exit(0)


def _prepare() -> None:
    """Become the init of programs' processes, which inherit most of it."""
    null = os.open("/dev/null", os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    os.close(null)
    os.environ.clear()
    os.umask(0o022)
    for name in _WARM.split():
        import_module(name)


def _start_forker(limits: Limits, filters: list[bytes]) -> int:
    """The descriptor of a channel to the process that programs are forked from."""
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    if kernel.fork() == 0:
        os.dup2(theirs.fileno(), 3)
        os.closerange(4, 256)
        try:
            forker.serve(_socket.socket(fileno=3), limits, filters)
        finally:
            os._exit(70)
    theirs.close()
    return ours.detach()


def _broken(lines: IO[bytes], error: OSError) -> None:
    _send(lines, {"broken": f"{error.filename}: {error.strerror}"})


def _send(lines: IO[bytes], message: object) -> None:
    os.write(lines.fileno(), json.dumps(message).encode() + b"\n")
