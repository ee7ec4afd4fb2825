"""Generation in a thread of its own, so that parsing and scoring overlap the engine."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator

from listeval.backends.protocol import Backend, Completion, Request

_BATCH = 256
_DEPTH = 4096
_PATIENCE_S = 5.0


class _End:
    """The last thing in the queue; carries what ended the engine early, if anything did."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Stream:
    """Completions in the order they finish, in batches of whatever has arrived.

    Iterating raises what the engine raised, after everything that it had finished.
    """

    def __init__(self, backend: Backend, requests: Iterable[Request]) -> None:
        self._backend, self._requests = backend, requests
        self._arrived: queue.Queue[Completion | _End] = queue.Queue(_DEPTH)
        self._stopped = threading.Event()
        self._worker = threading.Thread(target=self._produce, name="listeval-engine", daemon=True)
        self._worker.start()

    def __iter__(self) -> Iterator[list[Completion]]:
        while True:
            batch, end = self._next()
            if batch:
                yield batch
            if end is not None:
                if end.error is not None:
                    raise end.error
                return

    def stop(self) -> list[Completion]:
        """Close the backend, which ends the engine between two tokens, and return what had arrived. Safe to repeat."""
        if self._worker.is_alive():
            self._stopped.set()
            self._backend.close()
        left: list[Completion] = []
        # The engine's thread may wait for room in the queue, so it is emptied until the thread is gone.
        for _ in range(int(_PATIENCE_S / 0.05)):
            self._empty(left)
            self._worker.join(0.05)
            if not self._worker.is_alive():
                break
        self._empty(left)
        return left

    def _produce(self) -> None:
        error: BaseException | None = None
        try:
            for completion in self._backend.generate(self._requests):
                self._arrived.put(completion)
                if self._stopped.is_set():
                    break
        except BaseException as raised:  # noqa: BLE001 - handed to the consumer, which raises it
            error = raised
        self._arrived.put(_End(error))

    def _next(self) -> tuple[list[Completion], _End | None]:
        """Wait for one arrival and take along whatever came with it."""
        batch: list[Completion] = []
        item = self._arrived.get()
        while not isinstance(item, _End):
            batch.append(item)
            if len(batch) == _BATCH:
                return batch, None
            try:
                item = self._arrived.get_nowait()
            except queue.Empty:
                return batch, None
        return batch, item

    def _empty(self, into: list[Completion]) -> None:
        while True:
            try:
                item = self._arrived.get_nowait()
            except queue.Empty:
                return
            if isinstance(item, Completion):
                into.append(item)
