"""Runs a server as its child and ends it with all its processes: when told to, and when whoever started it is gone.

`python -m listeval.backends.served.supervisor PARENT COMMAND...`. A killed parent runs no clean-up of its own; so Linux
is asked to signal this process then (PR_SET_PDEATHSIG), and this process sees to the rest.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any

_SET_PDEATHSIG = 1
_PATIENCE_S = 15


def main(arguments: list[str]) -> int:
    """The server's exit code; 143 where it was told to end."""
    parent, command = int(arguments[0]), arguments[1:]
    signal.signal(signal.SIGTERM, _ended)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    with suppress(AttributeError, OSError):  # another system than Linux has no such call
        ctypes.CDLL(None).prctl(_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return 128 + signal.SIGTERM
    child = subprocess.Popen(command, start_new_session=True)
    try:
        return child.wait()
    finally:
        _end(child)


def _ended(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ask the whole group to end, then make it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(_PATIENCE_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
