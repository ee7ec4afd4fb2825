"""Generation in a thread of its own, so that parsing and scoring overlap the engine."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator

from listeval.backends.protocol import Backend, Completion, Request

_BATCH = 256
_DEPTH = 4096
_GATHER_S = 0.01
"""How long an arrival waits for company: one write and one hand-over serve them all. What has not been written when
the process is killed is generated again."""
_QUIET_S = 0.1
"""After so long without an arrival the consumer gets its turn all the same, to see to whatever else there is."""
_PATIENCE_S = 5.0


class Stream:
    """Completions in the order they finish, in batches of whatever has arrived; an empty one now and then in between.

    Iterating raises what the engine raised, after everything that it had finished.
    """

    def __init__(self, backend: Backend, requests: Iterable[Request]) -> None:
        self._backend, self._requests = backend, requests
        self._arrived: deque[Completion] = deque()
        self._news, self._room = threading.Event(), threading.Event()
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._ended = False
        self._worker = threading.Thread(target=self._produce, name="listeval-engine", daemon=True)
        self._worker.start()

    def __iter__(self) -> Iterator[list[Completion]]:
        while True:
            if not self._news.wait(_QUIET_S):
                yield []
                continue
            # No arrival is missed: what comes after this makes news again, what came before is taken below.
            self._news.clear()
            ended = self._ended
            if not ended:
                time.sleep(_GATHER_S)
            while batch := self._take(_BATCH):
                yield batch
            if ended:
                if self._error is not None:
                    raise self._error
                return

    def stop(self) -> list[Completion]:
        """Close the backend, which ends the engine between two tokens, and return what had arrived. Safe to repeat."""
        # A thread that has generated everything may live on for a moment: nothing is left to be ended.
        if self._worker.is_alive() and not self._ended:
            self._stopped.set()
            self._backend.close()
        left: list[Completion] = []
        # The engine's thread may wait for room, so what arrives is taken until the thread is gone.
        for _ in range(int(_PATIENCE_S / 0.05)):
            left += self._take()
            self._worker.join(0.05)
            if not self._worker.is_alive():
                break
        return left + self._take()

    def _produce(self) -> None:
        try:
            for completion in self._backend.generate(self._requests):
                self._hand_over(completion)
                if self._stopped.is_set():
                    break
        except BaseException as raised:  # noqa: BLE001 - handed to the consumer, which raises it
            self._error = raised
        finally:
            self._ended = True
            self._news.set()

    def _hand_over(self, completion: Completion) -> None:
        self._arrived.append(completion)
        if not self._news.is_set():
            self._news.set()
        while len(self._arrived) >= _DEPTH:
            self._room.clear()
            # Room that was made before the line above would not be told of again.
            if len(self._arrived) >= _DEPTH:
                self._room.wait()

    def _take(self, most: int = _DEPTH) -> list[Completion]:
        arrived = self._arrived
        taken = [arrived.popleft() for _ in range(min(most, len(arrived)))]
        self._room.set()
        return taken
