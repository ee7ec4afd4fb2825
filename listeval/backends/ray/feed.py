"""Requests on their way to the engines: read lazily by a thread of their own, never more than so many under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from listeval.backends.protocol import Request

_PATIENCE_S = 2.0
"""After so long without an answer one more batch goes out all the same: a batch on its way that is not full yet may be
waiting for it, and engines that start need no other bound."""


class Feed:
    """Takes requests from `requests`, keeps them by a number of ours, and hands rows of them to `send`, at last None.

    `row` makes a request's row, or says by a string why no engine can take it.
    """

    def __init__(
        self, requests: Iterable[Request], row: Callable[[int, Request], dict[str, Any] | str], most: int, batch: int
    ) -> None:
        self._requests, self._row, self._most, self._batch = iter(requests), row, most, batch
        self.refused: list[tuple[Request, str]] = []
        self._flight: dict[int, Request] = {}
        self._room = threading.Condition()
        self._stopped = False
        self._moved = time.monotonic()
        self._count = 0
        self.error: BaseException | None = None

    def start(self, first: list[dict[str, Any]], send: Callable[[list[dict[str, Any]] | None], None]) -> None:
        """Send what `next_batch` gave and whatever follows, from a daemon thread."""
        threading.Thread(target=self._run, args=(first, send), name="listeval-feed", daemon=True).start()

    def next_batch(self) -> list[dict[str, Any]]:
        """The next rows; none at the end."""
        rows: list[dict[str, Any]] = []
        while len(rows) < self._batch and (request := next(self._requests, None)) is not None:
            made = self._row(self._count, request)
            if isinstance(made, str):
                self.refused.append((request, made))
                continue
            with self._room:
                self._flight[self._count] = request
            self._count += 1
            rows.append(made)
        return rows

    def take(self, number: int) -> Request | None:
        """The request behind an answer; None where it was answered before (Ray repeats what a dead worker had)."""
        with self._room:
            self._moved = time.monotonic()
            self._room.notify()
            return self._flight.pop(number, None)

    def left(self) -> Iterator[Request]:
        """What was sent and never answered."""
        with self._room:
            left, self._flight = self._flight, {}
        yield from left.values()

    def stop(self) -> None:
        """Send no more."""
        with self._room:
            self._stopped = True
            self._room.notify()

    def _run(self, rows: list[dict[str, Any]], send: Callable[[list[dict[str, Any]] | None], None]) -> None:
        try:
            while rows and not self._stopped:
                send(rows)
                self._wait()
                rows = self.next_batch()
        except BaseException as raised:  # noqa: BLE001 - raised where the answers are read
            self.error = raised
        finally:
            if not self._stopped:
                send(None)

    def _wait(self) -> None:
        with self._room:
            self._moved = time.monotonic()
            while len(self._flight) >= self._most and not self._stopped:
                if time.monotonic() - self._moved > _PATIENCE_S:
                    return
                self._room.wait(_PATIENCE_S)
