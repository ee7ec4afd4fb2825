"""The openai backend against a real server on loopback that is slow, rude and torn on demand."""

from __future__ import annotations

import json
import random
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from threading import Thread, main_thread
from typing import Any

import pytest
from fake_server import VLLM_CARD, Call, FakeServer, Reply, Tear, chat, echo

from listeval.backends import openai
from listeval.backends.openai import OpenAIBackend
from listeval.backends.openai_http import Retry
from listeval.backends.protocol import BackendOptions, Completion, Message, Prompt, Request, Sampling
from listeval.contract import Item, Record
from listeval.errors import UserError

pytest.importorskip("httpx")

KEY = "sk-very-secret-0123456789/abc"
ANYTHING = Record(Item)
FAST = Retry(base_s=0.001, cap_s=0.004)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@contextmanager
def opened(server: FakeServer, retry: Retry = FAST, **options: Any) -> Iterator[OpenAIBackend]:
    backend = openai.open("tiny", BackendOptions(**{"base_url": server.url, "timeout_s": 20.0} | options), retry)
    try:
        yield backend
    finally:
        backend.close()


def ask(key: str, text: str | None = None, **sampling: Any) -> Request:
    prompt = Prompt((Message("system", "be brief"), Message("user", text or key)))
    return Request(key, key, prompt, Sampling(**sampling), 5, ANYTHING)


def answers(rule: Callable[[Call], Reply], *keys: str, **options: Any) -> dict[str, Completion]:
    """What the backend makes of `rule` for one request per key; each must come back exactly once."""
    with FakeServer(rule).running() as server, opened(server, **options) as backend:
        found = list(backend.generate(ask(key) for key in keys))
    assert sorted(c.key for c in found) == sorted(keys)
    return {c.key: c for c in found}


def flaky(reply: Reply, times: int = 1) -> Callable[[Call], Reply]:
    """`reply` to the first calls of each request, then the echo."""
    return lambda call: reply if call.nth < times else echo(call)


# --- what is sent, what is read


def test_chat_sends_the_messages_and_greedy_parameters() -> None:
    with FakeServer().running() as server, opened(server) as backend:
        (done,) = backend.generate([ask("a", "hello", max_tokens=9)])
        (call,) = server.calls
    assert call.path == "/v1/chat/completions"
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert call.body == {
        "model": "tiny",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
        "max_tokens": 9,
        "temperature": 0.0,
        "top_p": 1.0,
        "seed": 5,
        "stream": False,
    }
    assert (done.text, done.finish_reason, done.n_tokens, done.n_prompt_tokens) == ("re: hello", "stop", 7, 11)
    assert done.error is None
    assert done.latency_s > 0


def test_thinking_is_sent_only_where_it_is_set() -> None:
    with FakeServer().running() as server, opened(server, enable_thinking=False) as backend:
        list(backend.generate([ask("a")]))
        assert server.calls[0].body["chat_template_kwargs"] == {"enable_thinking": False}


def test_without_a_key_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with FakeServer().running() as server, opened(server) as backend:
        list(backend.generate([ask("a")]))
        assert "authorization" not in server.calls[0].headers


def test_a_vllm_server_is_told_every_sampling_parameter() -> None:
    """Else it takes the absent ones from the checkpoint's generation_config."""
    choice = {"message": {"content": "x"}, "finish_reason": "stop", "token_ids": [4, 5]}
    with FakeServer(lambda call: Reply({"choices": [choice]})).running() as server:
        server.models = [VLLM_CARD]
        server.gets["/version"] = Reply({"version": "0.31.0"})
        with opened(server) as backend:
            (done,) = backend.generate([ask("a")])
            body = server.calls[0].body
            assert (body["repetition_penalty"], body["top_k"], body["min_p"]) == (1.0, 0, 0.0)
            assert done.token_ids == (4, 5)
            assert done.n_tokens == 2
            assert backend.versions()["server"] == "vllm 0.31.0"
            assert backend.model.max_length == 2048


@pytest.mark.parametrize(
    ("message", "finish", "text", "reason", "reasoning"),
    [
        ({"content": "[]"}, "stop", "[]", "stop", None),
        ({"content": "[]"}, "length", "[]", "length", None),
        ({"content": "[]"}, "tool_calls", "[]", "stop", None),
        ({"content": "[]"}, "eos", "[]", "stop", None),
        ({"content": "[]"}, "content_filter", "[]", "content_filter", None),
        ({"content": None, "refusal": "I won't"}, "stop", "I won't", "content_filter", None),
        ({"content": "[]", "refusal": None}, "stop", "[]", "stop", None),
        ({"content": "[]", "reasoning_content": "hm"}, "stop", "[]", "stop", "hm"),
        ({"content": None, "reasoning": "hm"}, "length", "", "length", "hm"),
        ({"content": "<think>hm</think>\n[]"}, "stop", "[]", "stop", "hm"),
        ({"content": [{"type": "text", "text": "["}, {"type": "text", "text": "]"}]}, "stop", "[]", "stop", None),
    ],
)
def test_answers_are_read_as_servers_write_them(
    message: dict[str, Any], finish: str, text: str, reason: str, reasoning: str | None
) -> None:
    choice = {"message": message, "finish_reason": finish}
    done = answers(lambda call: Reply({"choices": [choice]}), "a")["a"]
    assert (done.text, done.finish_reason, done.reasoning) == (text, reason, reasoning)
    assert done.error is None


def test_token_budget_goes_by_its_newer_name_where_the_server_wants_it() -> None:
    def rule(call: Call) -> Reply:
        if "max_tokens" in call.body:
            words = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            return Reply({"error": {"message": words}}, 400)
        assert call.body["max_completion_tokens"] == 512
        return echo(call)

    with FakeServer(rule).running() as server, opened(server, concurrency=1) as backend:
        found = list(backend.generate(ask(f"k{i}") for i in range(4)))
        assert [c.error for c in found] == [None] * 4
        assert len(server.calls) == 5


# --- token ids


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level tokenizer with a chat template."""
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    model = tokenizers.models.BPE(vocab={c: i for i, c in enumerate(sorted(alphabet))}, merges=[])
    bare = tokenizers.Tokenizer(model)
    bare.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bare.decoder = tokenizers.decoders.ByteLevel()
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=bare)
    wrapped.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
    path = tmp_path_factory.mktemp("tokenizer")
    wrapped.save_pretrained(path)
    return path


def test_with_a_tokenizer_our_token_ids_are_the_prompt(tokenizer: Path) -> None:
    with FakeServer().running() as server, opened(server, tokenizer=str(tokenizer)) as backend:
        assert backend.renderer is not None
        prompt = backend.renderer.render([Message("user", "hé")])
        (done,) = backend.generate([ask("a")._replace(prompt=prompt)])
        assert server.calls[0].path == "/v1/completions"
        assert server.calls[0].body["prompt"] == list(prompt.token_ids)
        assert "messages" not in server.calls[0].body
        assert done.text == "re: " + " ".join(map(str, prompt.token_ids))
        assert backend.capabilities.token_prompts
        assert backend.model.template_hash == backend.renderer.template_hash


def test_another_models_tokenizer_is_refused(tokenizer: Path) -> None:
    with FakeServer().running() as server:
        server.models = [VLLM_CARD]
        server.gets["/tokenize"] = Reply({"tokens": [1, 2, 3], "count": 3})
        with pytest.raises(UserError, match="not the served model's"), opened(server, tokenizer=str(tokenizer)):
            pass


# --- what is asked again, and how patiently


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


# --- what is never asked again


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
        _until(lambda: stream.gi_frame.f_locals["done"].qsize() == 2)
        assert next(stream).key == "b"
        with pytest.raises(UserError, match="HTTP 401"):
            next(stream)


# --- the key


ECHO = f"Bearer {KEY} or {KEY} is wrong"


@pytest.mark.parametrize(
    "reply",
    [
        Reply({"error": {"message": ECHO}}, 400),
        Reply({"error": {"message": ECHO}}, 500),
        Reply(f"<html>{ECHO}</html>"),
        Reply(ECHO, 422),
        Reply(chat(ECHO, reasoning=ECHO)),
        Reply(json.dumps(chat(ECHO)).replace("/", "\\/")),
        Reply({"detail": [{"input": {"authorization": ECHO}}]}, 422),
    ],
)
def test_the_key_is_taken_out_of_what_the_server_echoes(reply: Reply, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    done = answers(lambda call: reply, "a")["a"]
    assert KEY not in repr(done)
    assert "redacted" in repr(done)
    assert KEY not in caplog.text


def test_the_key_is_in_no_error_and_no_setting(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with FakeServer(lambda call: Reply({"error": {"message": ECHO}}, 401)).running() as server:
        server.models = [{"id": "tiny", "owned_by": KEY}]
        server.gets["/version"] = Reply({"version": KEY})
        with opened(server) as backend:
            with pytest.raises(UserError) as caught:
                list(backend.generate([ask("a")]))
            said = repr((backend.settings(), backend.versions(), backend.model, vars(backend)))
        server.gets["/v1/models"] = Reply({"error": {"message": ECHO}}, 401)
        with pytest.raises(UserError) as refused, opened(server):
            pass
    for text in (said, *("".join(traceback.format_exception(e.value)) for e in (caught, refused)), caplog.text):
        assert KEY not in text


def test_a_key_that_no_header_can_hold_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret\nvalue")
    with FakeServer().running() as server, pytest.raises(UserError, match="OPENAI_API_KEY") as caught, opened(server):
        pass
    assert "secret" not in str(caught.value)


def test_a_placeholder_key_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "EMPTY")
    assert answers(lambda call: Reply(chat("the list is EMPTY")), "a")["a"].text == "the list is EMPTY"


# --- flow


def test_concurrency_is_bounded_and_used() -> None:
    with FakeServer(lambda call: replace(echo(call), delay_s=0.01 if call.nth else 60.0)).running() as server:
        with opened(server, concurrency=4) as backend:
            stream = backend.generate(ask(f"k{i}") for i in range(12))
            reader = Thread(target=_read_until_cancelled, args=(stream,))
            reader.start()
            _until(lambda: server.in_flight == 4)
        reader.join()
        _until(lambda: server.in_flight == 0)
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
        _until(lambda: len(server.calls) == 4)
        stream.close()
        _until(lambda: server.hung_up == 3)
        assert len(server.calls) == 4
        assert next(backend.generate([ask("k0")])).text == "re: k0", "the backend is still good"


def test_an_error_in_the_requests_stops_the_traffic() -> None:
    def source() -> Iterator[Request]:
        yield ask("a")
        raise ZeroDivisionError

    with FakeServer(lambda call: replace(echo(call), delay_s=60.0)).running() as server, opened(server) as backend:
        with pytest.raises(ZeroDivisionError):
            list(backend.generate(source()))
        _until(lambda: server.in_flight == 0)


def test_ctrl_c_stops_the_traffic() -> None:
    with FakeServer(lambda call: replace(echo(call), delay_s=60.0)).running() as server, opened(server) as backend:

        def interrupt() -> None:
            _until(lambda: server.in_flight == 3)
            signal.pthread_kill(main_thread().ident or 0, signal.SIGINT)

        Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            list(backend.generate(ask(f"k{i}") for i in range(3)))
        _until(lambda: server.hung_up == 3)


def test_closing_the_backend_drops_what_is_in_flight() -> None:
    with FakeServer(lambda call: replace(echo(call), delay_s=60.0 if call.nth else 0.0)).running() as server:
        backend = openai.open("tiny", BackendOptions(base_url=server.url), FAST)
        stream = backend.generate([ask("a"), ask("b", "a")])
        next(stream)
        backend.close()
        backend.close()
        _until(lambda: server.in_flight == 0)


def _read_until_cancelled(stream: Iterator[Completion]) -> None:
    with suppress(CancelledError):
        list(stream)


def _until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it never came true")


# --- opening


def test_no_server_at_the_address() -> None:
    with FakeServer().running() as server:
        pass
    with pytest.raises(UserError, match="no OpenAI-compatible server answers") as caught, opened(server):
        pass
    assert caught.value.place == server.url
    assert "correct the address" in caught.value.fix


def test_no_address_at_all() -> None:
    with pytest.raises(UserError, match="OPENAI_BASE_URL"):
        openai.open("tiny", BackendOptions())


def test_the_address_comes_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeServer().running() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url.removesuffix("/v1"))
        with opened(server, base_url=None) as backend:
            assert backend.settings()["base_url"] == server.url


def test_no_proxy_stands_before_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert answers(echo, "a")["a"].text == "re: a"


def test_httpx_missing_names_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'listeval\[openai\]'"):
        openai.open("tiny", BackendOptions(base_url="http://127.0.0.1:1"))


def test_an_option_that_would_change_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="no use for --dtype"):
        openai.open("tiny", BackendOptions(base_url="http://127.0.0.1:1", dtype="float32"))


def test_a_mistyped_model_is_suggested() -> None:
    with FakeServer().running() as server, pytest.raises(UserError, match="did you mean 'tiny'"):
        openai.open("tinny", BackendOptions(base_url=server.url), FAST)


def test_what_serves_a_page_is_no_model_server() -> None:
    with FakeServer().running() as server:
        server.gets["/v1/models"] = Reply("<html>Welcome to nginx!</html>")
        with pytest.raises(UserError, match=r"not JSON \(text/html\)"), opened(server):
            pass


@pytest.mark.parametrize("listed", [None, []])
def test_a_server_need_not_list_its_models(listed: list[dict[str, Any]] | None) -> None:
    with FakeServer().running() as server:
        server.models = listed
        with opened(server) as backend:
            (done,) = backend.generate([ask("a")])
            assert done.text == "re: a"
            assert backend.versions()["server"] == "fake/1"
            assert backend.model.max_length is None


def test_the_fingerprint_follows_the_model_and_not_the_clock() -> None:
    def fingerprint(server: FakeServer, **card: Any) -> str:
        server.models = [VLLM_CARD | card]
        with opened(server) as backend:
            return backend.model.fingerprint

    with FakeServer().running() as server:
        first = fingerprint(server)
        assert fingerprint(server, created=99) == first
        assert fingerprint(server, root="/models/other") != first
        assert fingerprint(server, max_model_len=4096) != first


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("http://h:1", "http://h:1/v1"),
        ("http://h:1/", "http://h:1/v1"),
        ("http://h:1/v1/", "http://h:1/v1"),
        ("https://h/api/openai", "https://h/api/openai"),
        (" http://[::1]:8000/v1 ", "http://[::1]:8000/v1"),
    ],
)
def test_base_url_takes_host_or_path(given: str, wanted: str) -> None:
    assert openai.wire.base_url(given) == wanted


@pytest.mark.parametrize(
    "given",
    [
        "localhost:8000",
        "h",
        "ftp://h/v1",
        "http://",
        "http://h:x/v1",
        "http://u:pass@h/v1",
        "http://h/v1?key=pass",
        "http://[::1",
    ],
)
def test_base_url_that_cannot_be_used_or_recorded(given: str) -> None:
    with pytest.raises(UserError, match="base URL") as caught:
        openai.wire.base_url(given)
    assert "pass" not in str(caught.value)


def test_score_is_refused_with_a_way_out() -> None:
    with FakeServer().running() as server, opened(server) as backend, pytest.raises(UserError, match="--backend hf"):
        backend.score([[1, 2]])
