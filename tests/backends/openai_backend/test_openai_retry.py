"""What is asked again and how patiently, and what is never asked again."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from listeval.backends.openai import openai_engine as openai
from listeval.backends.openai.http import Retry
from listeval.backends.protocol import BackendOptions
from listeval.errors import UserError
from tests.backends.fake_server import Call, FakeServer, Reply, Tear, chat, echo
from tests.backends.openai_case import FAST, answers, ask, flaky, opened, until

pytest.importorskip("httpx")


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_transient_statuses_are_asked_again(status: int) -> None:
    done = answers(flaky(Reply({"error": {"message": "busy"}}, status), times=3), "a")
    assert done["a"].text == "re: a"


@pytest.mark.parametrize("tear", ["reset", "short", "chunked", "silent"])
def test_torn_answers_are_asked_again(tear: Tear) -> None:
    done = answers(flaky(Reply(chat("torn answer " * 50), tear=tear), times=2), "a", "b")
    assert {c.text for c in done.values()} == {"re: a", "re: b"}


@pytest.mark.parametrize(
    "body",
    [
        "<html>gateway</html>",
        "",
        '{"choices": [',
        "[" * 100_000,
        {"error": {"message": "x"}},
        {"choices": []},
        [],
        None,
        {"choices": [{"message": None}]},
        {"choices": [{"message": {"content": "half"}, "finish_reason": "abort"}]},
    ],
)
def test_good_status_without_an_answer_is_asked_again(body: Any) -> None:
    assert answers(flaky(Reply(body)), "a")["a"].text == "re: a"


def test_time_out_covers_the_whole_answer_and_is_asked_again() -> None:
    assert answers(flaky(Reply(chat("late"), delay_s=30)), "a", timeout_s=0.2)["a"].text == "re: a"


def test_attempts_are_bounded_and_the_others_go_on() -> None:
    calls = []

    def rule(call: Call) -> Reply:
        if call.body["messages"][-1]["content"] == "bad":
            calls.append(call)
            return Reply({"error": {"message": "out of memory"}}, 500)
        return echo(call)

    done = answers(rule, "a", "bad", "b")
    assert len(calls) == FAST.attempts
    assert done["bad"].finish_reason == "error"
    assert done["bad"].error == "HTTP 500: out of memory (7 attempts)"
    assert done["a"].error is None and done["b"].error is None


@pytest.mark.parametrize("date", [False, True])
def test_retry_after_is_honoured_by_every_request(date: bool) -> None:
    times: list[float] = []
    pause = 1.0

    def rule(call: Call) -> Reply:
        times.append(time.monotonic())
        if len(times) == 1:
            # A date has whole seconds: two ahead are more than one away.
            header = formatdate(time.time() + 2, usegmt=True) if date else str(pause)
            return Reply({"error": {"message": "slow down"}}, 429, {"Retry-After": header})
        return echo(call)

    done = answers(rule, "a", "b", "c", concurrency=1)
    assert all(c.error is None for c in done.values())
    assert times[1] - times[0] >= pause


def test_a_server_that_closes_for_an_hour_stops_the_run() -> None:
    with pytest.raises(UserError, match="asks to wait 3600 s"):
        answers(lambda call: Reply({"error": {"message": "limit"}}, 429, {"Retry-After": "3600"}), "a", "b")


def test_back_off_grows_to_its_cap_and_is_jittered() -> None:
    retry = Retry(base_s=1.0, cap_s=10.0)
    draws = {n: [retry.pause(n) for _ in range(200)] for n in (1, 2, 3, 9)}
    assert {n: max(d) <= min(10.0, 2.0**n) for n, d in draws.items()} == dict.fromkeys(draws, True)
    assert max(draws[9]) > 8.0 > 1.0 > min(draws[9])


def test_flaky_server_completes_every_request_exactly_once() -> None:
    dice = random.Random(7)
    faults = [
        Reply({"error": {"message": "no"}}, 500),
        Reply({"error": {"message": "no"}}, 429, {"Retry-After": "0"}),
        Reply("<html>bad gateway</html>", 502),
        Reply("<html>fine</html>"),
        *(Reply(chat("torn" * 99), tear=tear) for tear in ("reset", "short", "chunked", "silent")),
    ]

    def rule(call: Call) -> Reply:
        if dice.random() < 0.3:
            return dice.choice(faults)
        return replace(echo(call), delay_s=dice.random() * 0.004)

    keys = [f"k{i}" for i in range(64)]
    done = answers(rule, *keys, retry=replace(FAST, attempts=20))
    assert {k: c.text for k, c in done.items()} == {k: f"re: {k}" for k in keys}


def test_one_bad_request_is_one_error_in_the_servers_words() -> None:
    def rule(call: Call) -> Reply:
        if call.body["messages"][-1]["content"] == "long":
            return Reply({"error": {"message": "maximum context length is 8 tokens", "code": 400}}, 400)
        return echo(call)

    with FakeServer(rule).running() as server, opened(server) as backend:
        done = {c.key: c for c in backend.generate([ask("long"), ask("a")])}
        assert len(server.calls) == 2
    assert done["long"].error == "HTTP 400: maximum context length is 8 tokens"
    assert done["long"].finish_reason == "error"
    assert done["a"].text == "re: a"


@pytest.mark.parametrize("status", [401, 402, 403, 404, 307])
def test_what_every_request_would_meet_stops_the_run_at_once(status: int) -> None:
    with FakeServer(lambda call: Reply({"error": {"message": "no way"}}, status)).running() as server:
        with opened(server, concurrency=2) as backend, pytest.raises(UserError, match="no way") as caught:
            list(backend.generate(ask(f"k{i}") for i in range(64)))
        assert len(server.calls) <= 2
        assert caught.value.place == server.url
        assert caught.value.fix


def test_exhausted_quota_is_not_asked_again() -> None:
    body = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    with FakeServer(lambda call: Reply(body, 429)).running() as server, opened(server, concurrency=1) as backend:
        with pytest.raises(UserError, match="quota"):
            list(backend.generate([ask("a"), ask("b")]))
        assert len(server.calls) == 1


def test_forbidden_after_an_answer_is_one_requests_own() -> None:
    def rule(call: Call) -> Reply:
        return Reply({"message": "flagged"}, 403) if call.body["messages"][-1]["content"] == "b" else echo(call)

    done = answers(rule, "a", "b", "c", concurrency=1)
    assert done["b"].error == "HTTP 403: flagged"
    assert done["c"].error is None


def test_a_server_that_goes_away_stops_the_run_and_keeps_what_arrived() -> None:
    found = []
    with FakeServer().running() as server:
        backend = openai.open("tiny", BackendOptions(base_url=server.url, concurrency=1), FAST)
        stream = backend.generate(ask(f"k{i}") for i in range(5))
        found.append(next(stream))
    with pytest.raises(UserError, match="out of service") as caught:
        found.extend(stream)
    backend.close()
    assert [c.key for c in found] == ["k0"]
    assert caught.value.place == server.url


def test_what_arrived_before_the_run_stops_is_not_lost() -> None:
    replies = {"a": echo, "bad": lambda call: Reply({}, 401, delay_s=0.2), "b": lambda c: replace(echo(c), delay_s=0.4)}
    server = FakeServer(lambda call: replies[call.body["messages"][-1]["content"]](call))
    with server.running(), opened(server) as backend:
        stream = backend.generate(ask(key) for key in replies)
        assert next(stream).key == "a"
        # Both answers wait for us, the refusal first.
        until(lambda: stream.gi_frame.f_locals["done"].qsize() == 2)
        assert next(stream).key == "b"
        with pytest.raises(UserError, match="HTTP 401"):
            next(stream)
