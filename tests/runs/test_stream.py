"""The engine's thread: batches in order, errors handed over, an early close that stops the engine."""

import threading
import time

import pytest

from listeval.backends.protocol import Completion
from listeval.runs import stream as stream_module
from listeval.runs.stream import Stream


class Engine:
    """Yields completions slowly and knows whether it was closed."""

    def __init__(self, n, error=None, pause=0.0):
        self.n, self.error, self.pause, self.made = n, error, pause, 0
        self.closed = threading.Event()

    def generate(self, requests):
        for i in range(self.n):
            if self.closed.is_set():
                return
            time.sleep(self.pause)
            self.made += 1
            yield Completion(str(i), "", "stop")
        if self.error:
            raise self.error

    def close(self):
        self.closed.set()


def test_everything_arrives_once_in_order():
    keys = [c.key for batch in Stream(Engine(10_000), ()) for c in batch]
    assert keys == [str(i) for i in range(10_000)]


def test_an_engine_error_comes_after_what_was_finished():
    seen = []
    with pytest.raises(ValueError, match="boom"):
        for batch in Stream(Engine(5, ValueError("boom")), ()):
            seen += batch
    assert len(seen) == 5


def test_stopping_ends_the_engine_and_keeps_what_it_had_finished():
    engine = Engine(10_000, pause=0.001)
    stream = Stream(engine, ())
    seen = list(next(iter(stream)))
    time.sleep(0.1)
    seen += stream.stop()
    assert engine.closed.is_set()
    assert [c.key for c in seen] == [str(i) for i in range(engine.made)]
    assert 1 < engine.made < 10_000
    assert stream.stop() == []


def test_a_slow_consumer_bounds_what_waits_and_loses_nothing():
    engine = Engine(3 * stream_module._DEPTH)
    stream = Stream(engine, ())
    seen, most = [], 0
    for batch in stream:
        seen += batch
        time.sleep(0.002)
        most = max(most, engine.made - len(seen))
    assert [c.key for c in seen] == [str(i) for i in range(engine.n)]
    assert most <= stream_module._DEPTH + stream_module._BATCH + 1


def test_arrivals_of_one_moment_come_as_one_batch(monkeypatch):
    monkeypatch.setattr(stream_module, "_GATHER_S", 1.0)
    batches = [batch for batch in Stream(Engine(stream_module._BATCH), ()) if batch]
    assert len(batches) <= 3


def test_stopping_frees_an_engine_that_waits_for_room():
    engine = Engine(2 * stream_module._DEPTH)
    stream = Stream(engine, ())
    while len(stream._arrived) < stream_module._DEPTH:
        time.sleep(0.01)
    assert [c.key for c in stream.stop()] == [str(i) for i in range(engine.made)]
    assert not stream._worker.is_alive()


def test_a_consumer_gets_its_turn_while_nothing_arrives():
    assert [] in list(Stream(Engine(2, pause=3 * stream_module._QUIET_S), ()))


def test_an_engine_that_gave_everything_stays_open_however_long_its_thread_lives_on():
    engine = Engine(2, pause=0.05)
    stream = Stream(engine, ())
    told = stream._news.set

    def tell_slowly():
        told()
        if stream._ended:
            time.sleep(0.3)

    stream._news.set = tell_slowly
    assert [c.key for batch in stream for c in batch] == ["0", "1"]
    assert stream._worker.is_alive()
    assert stream.stop() == []
    assert not engine.closed.is_set()
