"""Several servers of one model: least in flight, one that dies is named and nothing is lost; and the ramp."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.backends.openai import openai_engine as openai
from listeval.backends.openai import wire
from listeval.backends.openai.ramp import FIRST, MOST, Ramp
from listeval.backends.protocol import BackendOptions
from listeval.errors import UserError
from tests.backends.fake_server import VLLM_CARD, Call, FakeServer, Reply, echo
from tests.backends.openai_case import FAST, ask

KEYS = [f"k{at}" for at in range(60)]


def open_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def slow(call: Call) -> Reply:
    return Reply(echo(call).body, delay_s=0.02)


class TestFleet:
    def test_requests_are_spread_evenly_and_each_is_answered_once(self) -> None:
        with ExitStack() as stack:
            servers = [stack.enter_context(FakeServer(slow).running()) for _ in range(3)]
            backend = openai.open("tiny", options(*(server.url for server in servers), concurrency=12), FAST)
            stack.callback(backend.close)
            found = list(backend.generate(ask(key) for key in KEYS))
            assert sorted(c.key for c in found) == sorted(KEYS)
            assert all(c.error is None for c in found)
            posts = [len(server.calls) for server in servers]
            assert sum(posts) == len(KEYS) and max(posts) - min(posts) <= 12
            told = backend.settings()["servers"]
            assert [server["answers"] for server in told] == posts  # type: ignore[index, attr-defined]

    def test_the_faster_server_gets_more(self) -> None:
        def late(call: Call) -> Reply:
            return Reply(echo(call).body, delay_s=0.3)

        with FakeServer(slow).running() as fast, FakeServer(late).running() as dull:
            backend = openai.open("tiny", options(dull.url, fast.url, concurrency=6), FAST)
            found = list(backend.generate(ask(key) for key in KEYS))
            backend.close()
        assert len(found) == len(KEYS)
        assert len(fast.calls) > 2 * len(dull.calls)

    def test_a_server_that_dies_is_named_and_its_requests_go_to_the_others(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with ExitStack() as stack:
            good = stack.enter_context(FakeServer(slow).running())
            dying = ExitStack()
            bad = dying.enter_context(FakeServer(lambda call: Reply(echo(call).body, tear="reset")).running())
            backend = openai.open("tiny", options(good.url, bad.url, concurrency=8), FAST)
            stack.callback(backend.close)
            answers = backend.generate(ask(key) for key in KEYS)
            found = [next(answers)]
            dying.close()  # with requests of it in flight
            with caplog.at_level(logging.WARNING, logger="listeval.backends.openai.fleet"):
                found += answers
        assert Counter(c.key for c in found) == Counter(KEYS)
        assert [c.error for c in found if c.error] == []
        told = {server["base_url"]: server for server in backend.settings()["servers"]}  # type: ignore[attr-defined]
        assert told[bad.url]["out"] and told[good.url]["out"] is None
        assert [record.getMessage() for record in caplog.records if bad.url in record.getMessage()]

    @pytest.mark.parametrize("fault", [{"tear": "reset"}, {"status": 500}], ids=["resets", "fails"])
    def test_what_one_server_only_fails_another_answers(self, fault: dict[str, Any]) -> None:
        broken = FakeServer(lambda call: Reply(echo(call).body, **fault))
        with FakeServer(slow).running() as good, broken.running() as bad:
            backend = openai.open("tiny", options(good.url, bad.url, concurrency=4), FAST)
            found = list(backend.generate(ask(key) for key in KEYS[:12]))
            backend.close()
        assert Counter(c.key for c in found) == Counter(KEYS[:12])
        assert [c.error for c in found if c.error] == []

    def test_a_request_that_every_server_fails_is_one_error(self) -> None:
        with FakeServer(lambda call: Reply({}, status=500)).running() as a, FakeServer(slow).running() as b:
            b.rule = a.rule
            backend = openai.open("tiny", options(a.url, b.url, concurrency=2), FAST)
            found = list(backend.generate(ask(key) for key in KEYS[:2]))
            backend.close()
        assert sorted(c.key for c in found if c.error and "500" in c.error) == sorted(KEYS[:2])

    def test_when_all_are_gone_the_run_ends_with_what_had_arrived(self) -> None:
        with ExitStack() as dying:
            servers = [dying.enter_context(FakeServer(slow).running()) for _ in range(2)]
            backend = openai.open("tiny", options(*(s.url for s in servers), concurrency=4), FAST)
            answers = backend.generate(ask(key) for key in KEYS)
            found = [next(answers) for _ in range(5)]
            dying.close()
            with pytest.raises(UserError, match="out of service: none of 2 servers answers"):
                found += answers
            backend.close()
        assert len({c.key for c in found}) == len(found) >= 5

    def test_a_request_that_one_server_refuses_is_not_tried_at_the_others(self) -> None:
        def refuse(call: Call) -> Reply:
            return Reply({"error": {"message": "too long"}}, status=400)

        with FakeServer(refuse).running() as one, FakeServer(refuse).running() as two:
            backend = openai.open("tiny", options(one.url, two.url), FAST)
            (found,) = backend.generate([ask("a")])
            backend.close()
        assert found.finish_reason == "error" and "too long" in (found.error or "")
        assert len(one.calls) + len(two.calls) == 1

    def test_servers_of_different_models_are_refused(self) -> None:
        with FakeServer(echo).running() as one, FakeServer(echo).running() as two:
            one.models, two.models = [VLLM_CARD], [{**VLLM_CARD, "root": "/models/other"}]
            with pytest.raises(UserError, match="do not serve the same"):
                openai.open("tiny", options(one.url, two.url), FAST)

    def test_one_that_is_not_there_at_the_start_is_named(self) -> None:
        nowhere = f"http://127.0.0.1:{open_port()}/v1"
        with (
            FakeServer(echo).running() as one,
            pytest.raises(UserError, match="no OpenAI-compatible server answers") as caught,
        ):
            openai.open("tiny", options(one.url, nowhere), FAST)
        assert caught.value.place == nowhere

    def test_addresses(self) -> None:
        assert wire.base_urls("http://a, http://b:1/x/") == ("http://a/v1", "http://b:1/x")
        for bad in ("http://a,http://a/v1", "http://a,", ""):
            with pytest.raises(UserError):
                wire.base_urls(bad)

    def test_more_connections_than_the_system_allows_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import resource

        asked = []
        monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4096))
        monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
        openai.make_room(32)
        openai.make_room(1000)
        assert asked == [(1128, 4096)]
        with pytest.raises(UserError, match="5,000 connections need 5,128 open files"):
            openai.make_room(5000)


def options(*urls: str, **told: object) -> BackendOptions:
    return BackendOptions(base_url=",".join(urls), timeout_s=20.0, **told)  # type: ignore[arg-type]


class Clock:
    """Stands where it was put."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def play(ramp: Ramp, clock: Clock, capacity: int, answers: int) -> None:
    """A server that does up to `capacity` requests at once, a second each."""
    for _ in range(answers):
        clock.now += 1 / min(ramp.limit, capacity)
        ramp.done(10, failed=False)


class TestRamp:
    @given(st.integers(1, 3000))
    def test_it_settles_between_half_and_twice_of_what_the_server_does_at_once(self, capacity: int) -> None:
        clock = Clock()
        ramp = Ramp(None, clock)
        play(ramp, clock, capacity, 20_000)
        assert ramp.settled
        if capacity >= MOST:
            assert ramp.limit == MOST
        elif capacity > FIRST:
            assert capacity / 2 < ramp.limit < 2.2 * capacity
        else:
            assert ramp.limit == FIRST

    def test_a_server_that_breaks_off_sets_the_limit_below(self) -> None:
        clock = Clock()
        ramp = Ramp(None, clock)
        play(ramp, clock, 10_000, 3 * FIRST + 5)
        assert ramp.limit == 2 * FIRST and not ramp.settled
        ramp.done(0, failed=True)
        assert ramp.settled and ramp.limit == FIRST

    def test_a_fixed_limit_stays(self) -> None:
        ramp = Ramp(7)
        ramp.done(10, failed=True)
        assert (ramp.limit, ramp.most, ramp.settled) == (7, 7, True)

    def test_the_backend_raises_what_is_in_flight_and_says_where_it_settled(self) -> None:
        with FakeServer(slow).running() as server:
            backend = openai.open("tiny", BackendOptions(base_url=server.url, concurrency="auto"), FAST)
            found = list(backend.generate(ask(f"k{at}") for at in range(600)))
            told = backend.settings()
            backend.close()
        assert len({c.key for c in found}) == 600
        assert server.most_in_flight > FIRST
        assert told["concurrency_settled"] in (True, False) and told["concurrency"] >= FIRST  # type: ignore[operator]
