"""The key goes into the header and nowhere else."""

from __future__ import annotations

import json
import traceback

import pytest

from listeval.errors import UserError
from tests.backends.fake_server import FakeServer, Reply, chat
from tests.backends.openai_case import KEY, answers, ask, opened

pytest.importorskip("httpx")


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
