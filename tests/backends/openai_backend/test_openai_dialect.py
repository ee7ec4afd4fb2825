"""What servers do not take is learned from their refusals, and only from those that turn out to be about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fake_server import Call, FakeServer, Reply, echo

from listeval.backends import null
from listeval.backends.hf import hf_engine as hf
from listeval.backends.openai import openai_engine as openai
from listeval.backends.openai.http import Retry
from listeval.backends.openai.openai_engine import OpenAIBackend
from listeval.backends.protocol import Backend, BackendOptions, Completion, Message, Prompt, Request, Sampling
from listeval.contract import Item, Record
from listeval.errors import UserError

pytest.importorskip("httpx")


class Answer(Item):
    word: str


@contextmanager
def opened(server: FakeServer, **options: Any) -> Iterator[OpenAIBackend]:
    given = {"base_url": server.url, "timeout_s": 20.0, "concurrency": 1} | options
    backend = openai.open("tiny", BackendOptions(**given), Retry(base_s=0.001, cap_s=0.004))
    try:
        yield backend
    finally:
        backend.close()


def ask(backend: Backend, *keys: str, **sampling: Any) -> dict[str, Completion]:
    spec, contract = Sampling(**sampling), Record(Answer)
    requests = [Request(key, key, Prompt((Message("user", key),)), spec, 5, contract) for key in keys]
    return {done.key: done for done in backend.generate(requests)}


def refusing(*fields: str, words: str = "", status: int = 400) -> Any:
    """A rule that refuses requests with any of these fields, naming the first unless told other words."""

    def rule(call: Call) -> Reply:
        found = [name for name in fields if name in call.body]
        return Reply({"error": {"message": words or f"Unknown name {found[0]}"}}, status) if found else echo(call)

    return rule


def test_structured_sends_the_contracts_schema_as_a_strict_format() -> None:
    with FakeServer().running() as server, opened(server, structured=True) as backend:
        ask(backend, "a")
        form = server.calls[0].body["response_format"]
        assert form["type"] == "json_schema"
        assert form["json_schema"]["strict"] is True
        assert form["json_schema"]["schema"] == Record(Answer).json_schema()
        assert backend.settings()["structured"] is True


def test_without_it_nothing_is_sent() -> None:
    with FakeServer().running() as server, opened(server) as backend:
        ask(backend, "a")
        assert "response_format" not in server.calls[0].body


@pytest.mark.parametrize("field", ["seed", "top_p", "response_format"])
@pytest.mark.parametrize("status", [400, 422])
def test_a_field_that_is_not_known_is_left_out_once_and_for_all(
    field: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    rule = refusing(field, status=status)
    with FakeServer(rule).running() as server, opened(server, structured=True) as backend:
        found = ask(backend, "a", "b", "c")
        assert all(done.error is None for done in found.values())
        assert len(server.calls) == 4
        assert backend.settings()["left_out"] == {field: f"Unknown name {field}"}
        assert caplog.text.count(f"takes no {field}") == 1


def test_two_unknown_fields_and_a_new_name_of_the_budget() -> None:
    def rule(call: Call) -> Reply:
        if "max_tokens" in call.body:
            return Reply({"error": {"message": "Use 'max_completion_tokens' instead."}}, 400)
        return refusing("seed", "response_format")(call)

    with FakeServer(rule).running() as server, opened(server, structured=True) as backend:
        found = ask(backend, "a", "b", max_tokens=9)
        assert all(done.error is None for done in found.values())
        assert server.calls[-1].body["max_completion_tokens"] == 9
        assert set(backend.settings()["left_out"]) == {"seed", "response_format"}


def test_a_nucleus_that_was_asked_for_is_never_left_out() -> None:
    with FakeServer(refusing("top_p")).running() as server, opened(server) as backend:
        found = ask(backend, "a", temperature=0.5, top_p=0.9)
        assert "HTTP 400" in str(found["a"].error)
        assert len(server.calls) == 1


def test_a_refusal_for_another_reason_changes_nothing() -> None:
    words = "the conversation is too long (request was: seed=5, top_p=1, response_format=...)"
    rule = refusing("messages", words=words)
    with FakeServer(rule).running() as server, opened(server, structured=True) as backend:
        assert words in str(ask(backend, "a")["a"].error)
        assert backend.settings()["left_out"] == {}
        server.rule = echo
        assert ask(backend, "b")["b"].error is None
        assert {"seed", "top_p", "response_format"} <= server.calls[-1].body.keys()


def test_a_field_that_was_taken_before_is_not_to_blame() -> None:
    with FakeServer().running() as server, opened(server, structured=True) as backend:
        ask(backend, "a")
        server.rule = refusing("messages", words="moderated; seed")
        assert "moderated" in str(ask(backend, "b")["b"].error)
        assert len(server.calls) == 2


def test_many_requests_at_once_learn_together() -> None:
    rule = refusing("seed")
    with FakeServer(rule).running() as server, opened(server, concurrency=16) as backend:
        found = ask(backend, *map(str, range(40)))
        assert all(done.error is None for done in found.values())
        assert len(server.calls) <= 40 + 16


def test_the_key_may_come_from_another_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-the-wrong-one-0123")
    monkeypatch.setenv("JUDGE_KEY", "sk-the-right-one-0123")
    with FakeServer().running() as server, opened(server, api_key_env="JUDGE_KEY") as backend:
        ask(backend, "a")
        assert server.calls[0].headers["authorization"] == "Bearer sk-the-right-one-0123"
        server.rule = lambda call: Reply({"error": {"message": "no"}}, 401)
        with pytest.raises(UserError, match=r"Fix: set \$JUDGE_KEY to"):
            ask(backend, "b")
    monkeypatch.delenv("JUDGE_KEY")
    with FakeServer().running() as server, pytest.raises(UserError, match=r"\$JUDGE_KEY is not set"):
        openai.open("tiny", BackendOptions(base_url=server.url, api_key_env="JUDGE_KEY"))


@pytest.mark.parametrize("option", [{"structured": True}, {"api_key_env": "KEY"}])
def test_engines_without_a_server_refuse_these_options(option: dict[str, Any]) -> None:
    for adapter in (null, hf):
        with pytest.raises(UserError, match="has no use for"):
            adapter.open("m", BackendOptions(**option))
