"""Ctrl-C and SIGTERM: one line and an exit code at any moment, from the first import to the last flush.

Imports next to nothing, for it is in force before anything else is imported. A signal that this process was started to
ignore stays ignored.
"""

from __future__ import annotations

import os
import sys

from listeval.cli import launched

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Any

    _Handler = Callable[[int, FrameType | None], Any]
else:
    # What `signal` wraps into enumerations, which take ten times as long to import.
    import _signal as signal

CODES: dict[int, int] = {signal.SIGINT: 130, signal.SIGTERM: 143}
LINE = "listeval: stopped; give the same command again and it goes on from here"
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)
_seen: list[int] = []


class Stopped(KeyboardInterrupt):
    """A signal asked to stop, by its number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def seen() -> int | None:
    """The exit code of the first signal that asked this command to stop; None where there was none."""
    return CODES[_seen[0]] if _seen else None


def code() -> int:
    """The exit code of a command that was stopped."""
    return seen() or CODES[signal.SIGINT]


def leave_at_once(done: int | None = None) -> None:
    """From here on a signal ends the process on the spot: nothing is open yet, or all is done (exit code `done`)."""

    def leave(number: int, frame: FrameType | None) -> None:
        if done is None and launched.speaks():
            os.write(2, f"{LINE}\n".encode())
        os._exit(CODES[number] if done is None else done)

    _install(leave)


class Raised:
    """Inside the block a signal raises Stopped in the main thread, and what it breaks on its way is not shown."""

    def __enter__(self) -> None:
        self._before = {number: signal.getsignal(number) for number in CODES}
        self._hooks = sys.excepthook, sys.unraisablehook
        _seen.clear()
        _install(_raise)
        # The first is how extension modules print what broke an import of theirs before they raise their own error.
        shown, unraisable = self._hooks
        sys.excepthook = lambda *told: None if _seen else shown(*told)
        sys.unraisablehook = lambda told: None if _seen else unraisable(told)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.excepthook, sys.unraisablehook = self._hooks
        if _in_main_thread():
            for number, handler in self._before.items():
                signal.signal(number, handler)


class Uncovered:
    """An error that leaves the block after a signal leaves it as Stopped: what a signal breaks may hide it."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if _seen and isinstance(error, Exception):
            raise Stopped(_seen[0]) from None


def _raise(number: int, frame: FrameType | None) -> None:
    _seen.append(number)
    raise Stopped(number)


def _install(handler: _Handler) -> None:
    if not _in_main_thread():
        return
    for number in CODES:
        now = signal.getsignal(number)
        if now in _DEFAULTS or getattr(now, "__module__", None) == __name__:
            signal.signal(number, handler)


def _in_main_thread() -> bool:
    import threading

    return threading.current_thread() is threading.main_thread()
