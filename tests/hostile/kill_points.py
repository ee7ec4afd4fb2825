"""A process that dies at its nth step on the disk: nothing of it runs after that, as after `kill -9`."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

STEPS = ("open", "write", "pwrite", "fsync", "ftruncate", "replace", "unlink", "mkdir", "close")
_PATIENCE_S = 120


class Steps:
    """Counts what this process does to the disk by `os`; at step `last` it dies, of a write half is done then."""

    def __init__(self, last: int = 0, *, torn: bool = False) -> None:
        self.last, self.torn, self.done = last, torn, 0
        for name in STEPS:
            setattr(os, name, self._counted(name, getattr(os, name)))

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **options: Any) -> Any:
            self.done += 1
            if self.done == self.last:
                if self.torn and name in ("write", "pwrite"):
                    real(args[0], bytes(args[1])[: len(args[1]) // 2], *args[2:])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **options)

        return step


def steps_of(work: Callable[[], object], count: Path) -> int:
    """How many steps on the disk `work` takes when nothing kills it."""
    assert _forked(work, lambda: Steps(), count) == 0
    return int(count.read_text())


def dies(work: Callable[[], object], at: int, *, torn: bool = False) -> bool:
    """Do `work` in a process that is killed at step `at`; False where it had ended before."""
    code = _forked(work, lambda: Steps(at, torn=torn))
    assert code in (0, -signal.SIGKILL)
    return code != 0


def _forked(work: Callable[[], object], install: Callable[[], Steps], count: Path | None = None) -> int:
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 1
    try:
        signal.alarm(_PATIENCE_S)
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - until the process ends
        steps = install()
        work()
        done, code = steps.done, 0
        steps.last = 0
        if count is not None:
            count.write_text(str(done))
    except BaseException:  # noqa: BLE001 - a forked test must not go on as a second pytest
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)
