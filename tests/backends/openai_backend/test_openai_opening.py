"""Connecting: addresses, missing packages, models that are not there, and what a server says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from listeval.backends.openai import openai_engine as openai
from listeval.backends.protocol import BackendOptions
from listeval.errors import UserError
from tests.backends.fake_server import VLLM_CARD, FakeServer, Reply, echo
from tests.backends.openai_case import FAST, answers, ask, opened

pytest.importorskip("httpx")


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
