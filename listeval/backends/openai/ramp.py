"""`--concurrency auto`: requests in flight doubled as long as the servers then write more tokens a second."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST = 16
MOST = 1024
_GAIN = 1.1
"""What a doubling must bring; below it the level before it is kept, since waiting longer for the same buys nothing."""


class Ramp:
    """The limit now, from the answers so far. A fixed limit is a ramp that has ended."""

    def __init__(self, fixed: int | None, clock: Callable[[], float] = time.perf_counter) -> None:
        self.limit = FIRST if fixed is None else fixed
        self.settled = fixed is not None
        self._clock = clock
        self._best = 0.0
        self._left = self._tokens = 0
        self._since: float | None = None

    @property
    def most(self) -> int:
        """The largest limit that may come."""
        return self.limit if self.settled else MOST

    def done(self, tokens: int, *, failed: bool) -> None:
        """An answer of so many tokens came. A level is measured over twice its requests, once it is filled."""
        if self.settled:
            return
        if failed:
            # A server that breaks off under load has said where its limit is.
            self._settle(max(1, self.limit // 2) if self._best else self.limit)
            return
        self._left += 1
        if self._left == self.limit:
            self._since, self._tokens = self._clock(), 0
        elif self._left > self.limit:
            self._tokens += max(1, tokens)
            if self._left >= 3 * self.limit:
                self._judge()

    def _judge(self) -> None:
        assert self._since is not None, "set when the level was filled"
        rate = self._tokens / max(1e-9, self._clock() - self._since)
        if rate < _GAIN * self._best:
            self._settle(self.limit // 2)
        elif self.limit >= MOST:
            self._settle(self.limit)
        else:
            self._best, self._left, self._since = rate, 0, None
            self.limit = min(MOST, 2 * self.limit)

    def _settle(self, limit: int) -> None:
        self.limit, self.settled = limit, True
