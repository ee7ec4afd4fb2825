"""Generation in a thread of its own, so that parsing and scoring overlap the engine."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator

from listeval.backends.protocol import Backend, Completion, Request

_BATCH = 256
_DEPTH = 4096


class _End:
    """The last thing in the queue; carries what ended the engine early, if anything did."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def completions(backend: Backend, requests: Iterable[Request]) -> Iterator[list[Completion]]:
    """Completions in the order they finish, in batches of whatever has arrived.

    Closing the iterator (or an exception in the consumer, Ctrl-C included) closes the backend,
    which stops the engine between two tokens.
    """
    arrived: queue.Queue[Completion | _End] = queue.Queue(_DEPTH)
    stop = threading.Event()

    def produce() -> None:
        error: BaseException | None = None
        try:
            for completion in backend.generate(requests):
                arrived.put(completion)
                if stop.is_set():
                    break
        except BaseException as raised:  # noqa: BLE001 - handed to the consumer, which raises it
            error = raised
        arrived.put(_End(error))

    worker = threading.Thread(target=produce, name="listeval-engine", daemon=True)
    worker.start()
    try:
        yield from _batches(arrived)
    finally:
        stop.set()
        if worker.is_alive():
            backend.close()
            _drain(arrived, worker)


def _batches(arrived: queue.Queue[Completion | _End]) -> Iterator[list[Completion]]:
    while True:
        batch: list[Completion] = []
        end: _End | None = None
        item = arrived.get()
        while True:
            if isinstance(item, _End):
                end = item
                break
            batch.append(item)
            if len(batch) == _BATCH:
                break
            try:
                item = arrived.get_nowait()
            except queue.Empty:
                break
        if batch:
            yield batch
        if end is not None:
            if end.error is not None:
                raise end.error
            return


def _drain(arrived: queue.Queue[Completion | _End], worker: threading.Thread) -> None:
    """Let a producer that waits for room in the queue see that it should stop."""
    for _ in range(100):
        while not arrived.empty():
            arrived.get_nowait()
        worker.join(0.05)
        if not worker.is_alive():
            return
