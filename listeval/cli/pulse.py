"""A sign of life on stderr: nothing takes more than two seconds without a line that says what is going on.

The longer a stage takes, the rarer its lines: one for every further thirtieth of the time that it has taken, at least
every two seconds and at most every thirty, so that a night's log stays readable.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self

from listeval.cli.say import say as say_line

_LEAST_S, _MOST_S = 1.7, 30.0
"""The least leaves room for a busy machine to be late within two seconds."""
_PART = 30
_LOOK_EVERY_S = 0.1


def gap(seconds: float) -> float:
    """The longest silence, in seconds, in a stage that has taken so many."""
    return min(max(_LEAST_S, seconds / _PART), _MOST_S)


class Pulse:
    """Says what is going on whenever that has not been said for a while; `quiet` says nothing."""

    def __init__(self, doing: str, *, quiet: bool, say: Callable[[str], object] | None = None) -> None:
        self.quiet = quiet
        self._say = say if say is not None else partial(say_line, err=True)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="listeval-pulse", daemon=True)
        self._spoken = time.monotonic()
        self.now(doing)

    def now(self, doing: str | Callable[[], str]) -> None:
        """Another stage begins: its name, or what gives the line to say."""
        self._doing, self._since = doing, time.monotonic()

    def spoke(self) -> None:
        """Something was said just now by whoever works."""
        self._spoken = time.monotonic()

    def __enter__(self) -> Self:
        global _current
        self._before, _current = _current, self
        if not self.quiet:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _current
        _current = self._before
        self._over.set()

    def _beat(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            now = time.monotonic()
            if self is not _current:
                # Another one speaks for a part of this work.
                self._spoken = self._since = now
            if self.quiet or now - self._spoken < gap(now - self._since):
                continue
            self._spoken = now
            line = self._doing() if callable(self._doing) else f"{self._doing}: {now - self._since:.0f} s"
            try:
                self._say(line)
            except (OSError, ValueError):
                return  # Nobody reads stderr any more.


_current: Pulse = Pulse("", quiet=True)


def current() -> Pulse:
    """The pulse of the command that runs; a quiet one outside of any."""
    return _current
