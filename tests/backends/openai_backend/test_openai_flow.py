"""Requests in flight: bounded, read lazily, and stopped when nobody waits for them any more."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import replace
from threading import Thread, main_thread

import pytest

from listeval.backends.openai import openai_engine as openai
from listeval.backends.protocol import BackendOptions, Completion, Request
from tests.backends.fake_server import Call, FakeServer, Reply, echo
from tests.backends.openai_case import FAST, ask, opened, until

pytest.importorskip("httpx")


def test_concurrency_is_bounded_and_used() -> None:
    with FakeServer(lambda call: replace(echo(call), delay_s=0.01 if call.nth else 60.0)).running() as server:
        with opened(server, concurrency=4) as backend:
            stream = backend.generate(ask(f"k{i}") for i in range(12))
            reader = Thread(target=_read_until_cancelled, args=(stream,))
            reader.start()
            until(lambda: server.in_flight == 4)
        reader.join()
        until(lambda: server.in_flight == 0)
        with opened(server, concurrency=4) as backend:
            before = server.connections
            assert len(list(backend.generate(ask(f"k{i % 4}") for i in range(12)))) == 12
        assert server.most_in_flight == 4
        assert server.connections - before <= 4, "connections are used again"


def test_completions_come_back_as_they_finish() -> None:
    def rule(call: Call) -> Reply:
        return replace(echo(call), delay_s=60.0 if call.body["messages"][-1]["content"] == "slow" else 0.0)

    with FakeServer(rule).running() as server, opened(server, concurrency=2) as backend:
        stream = backend.generate(ask(key) for key in ("slow", "a", "b", "c"))
        assert [next(stream).key for _ in range(3)] == ["a", "b", "c"]
        stream.close()


def test_requests_are_read_lazily() -> None:
    pulled: list[str] = []

    def source() -> Iterator[Request]:
        for i in range(50):
            pulled.append(f"k{i}")
            yield ask(f"k{i}")

    with FakeServer().running() as server, opened(server, concurrency=3) as backend:
        stream = backend.generate(source())
        assert pulled == []
        for n in range(1, 10):
            next(stream)
            assert len(pulled) <= n + 2
        stream.close()


def test_closing_the_iterator_stops_the_traffic() -> None:
    def rule(call: Call) -> Reply:
        return replace(echo(call), delay_s=0.0 if call.body["messages"][-1]["content"] == "k0" else 60.0)

    with FakeServer(rule).running() as server, opened(server, concurrency=4) as backend:
        stream = backend.generate(ask(f"k{i}") for i in range(50))
        assert next(stream).key == "k0"
        until(lambda: len(server.calls) == 4)
        stream.close()
        until(lambda: server.hung_up == 3)
        assert len(server.calls) == 4
        assert next(backend.generate([ask("k0")])).text == "re: k0", "the backend is still good"


def test_an_error_in_the_requests_stops_the_traffic() -> None:
    def source() -> Iterator[Request]:
        yield ask("a")
        raise ZeroDivisionError

    with FakeServer(lambda call: replace(echo(call), delay_s=60.0)).running() as server, opened(server) as backend:
        with pytest.raises(ZeroDivisionError):
            list(backend.generate(source()))
        until(lambda: server.in_flight == 0)


def test_ctrl_c_stops_the_traffic() -> None:
    with FakeServer(lambda call: replace(echo(call), delay_s=60.0)).running() as server, opened(server) as backend:

        def interrupt() -> None:
            until(lambda: server.in_flight == 3)
            signal.pthread_kill(main_thread().ident or 0, signal.SIGINT)

        Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            list(backend.generate(ask(f"k{i}") for i in range(3)))
        until(lambda: server.hung_up == 3)


def test_closing_the_backend_drops_what_is_in_flight() -> None:
    with FakeServer(lambda call: replace(echo(call), delay_s=60.0 if call.nth else 0.0)).running() as server:
        backend = openai.open("tiny", BackendOptions(base_url=server.url), FAST)
        stream = backend.generate([ask("a"), ask("b", "a")])
        next(stream)
        backend.close()
        backend.close()
        until(lambda: server.in_flight == 0)


def _read_until_cancelled(stream: Iterator[Completion]) -> None:
    with suppress(CancelledError):
        list(stream)
