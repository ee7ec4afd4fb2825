"""Bodies of any shape: each is an answer, or `BrokenBody` with words that a terminal and a file can take."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.backends.openai.wire import (
    BrokenBody,
    Redactor,
    ServerAnswer,
    as_count,
    chat_answer,
    completion_answer,
    error_code,
    printable,
    server_message,
)
from listeval.errors import UserError
from tests.backends.fake_server import FakeServer, Reply
from tests.backends.openai_case import answers, opened

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["stop", "text", "thinking", "\ud800", "\x1b[2J"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "content", "type", "error", "message", "role"]), inner, max_size=3)
    ),
    max_leaves=6,
)
WHOLE: dict[str, Any] = {
    "choices": [
        {
            "message": {"content": "[1]", "reasoning": "hm", "refusal": None, "tool_calls": []},
            "text": "[1]",
            "finish_reason": "stop",
            "native_finish_reason": "STOP",
            "token_ids": [1, 2],
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    "error": None,
}
PLACES = [
    ("choices",), ("usage",), ("error",), ("choices", 0), ("choices", 0, "message"), ("choices", 0, "text"),
    ("choices", 0, "finish_reason"), ("choices", 0, "native_finish_reason"), ("choices", 0, "token_ids"),
    ("choices", 0, "error"), ("choices", 0, "delta"), ("usage", "completion_tokens"), ("usage", "total_tokens"),
    *(("choices", 0, "message", name) for name in (
        "content", "reasoning", "reasoning_content", "reasoning_details", "refusal", "tool_calls", "function_call")),
]  # fmt: skip


def put(body: Any, place: tuple[Any, ...], value: Any) -> None:
    for step in place[:-1]:
        body = body[step] if isinstance(body, dict | list) and (isinstance(body, list) or step in body) else None
        if body is None:
            return
    if isinstance(body, dict) or (isinstance(body, list) and body):
        body[place[-1]] = value


@given(st.lists(st.tuples(st.sampled_from(PLACES), JSON), min_size=1, max_size=3))
def test_any_shape_in_any_field_is_an_answer_or_torn(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    for read in (chat_answer, completion_answer):
        body = copy.deepcopy(WHOLE)
        for place, value in sorted(changes, key=lambda change: -len(change[0])):
            put(body, place, value)
        try:
            answer = read(body)
        except BrokenBody as error:
            assert str(error)
        else:
            assert isinstance(answer, ServerAnswer)
            assert isinstance(answer.text, str) and isinstance(answer.said, str) and answer.said.isprintable()
            assert answer.reasoning is None or isinstance(answer.reasoning, str)
            assert answer.finish_reason in ("stop", "length", "content_filter")
            assert all(type(count) is int and count >= 0 for count in (answer.n_tokens, answer.n_prompt_tokens))
            assert all(type(token) is int for token in answer.token_ids)


@given(JSON)
def test_any_body_has_a_message_that_can_be_shown(body: Any) -> None:
    for read in (chat_answer, completion_answer):
        try:
            read(body)
        except BrokenBody as error:
            assert str(error)
    assert server_message(body).isprintable() and len(server_message(body)) <= 500
    server_message(body).encode()
    assert isinstance(error_code(body), str)
    assert Redactor("sk-secret-key").scrub(copy.deepcopy(body)) is not Ellipsis


def test_a_deep_body_has_a_message() -> None:
    body: Any = []
    for _ in range(900):
        body = [{"a": body}]
    assert "..." in server_message(body)
    assert Redactor("sk-secret-key").scrub(body) is body


def test_a_secret_is_taken_out_of_keys_and_values_at_any_depth() -> None:
    body = {"sk-secret-key x": ["a sk-secret-key", {"b": "sk-secret-key"}], "n": 1}
    assert "sk-secret-key" not in json.dumps(Redactor("sk-secret-key").scrub(body))


@pytest.mark.parametrize("value", [True, False, None, -1, 0, 1.0, "7", [], 2**60, float("nan")])
def test_what_is_no_count_counts_nothing(value: object) -> None:
    assert as_count(value) == 0


def test_words_are_made_fit_for_a_terminal_and_a_file() -> None:
    assert printable("a\n\tb \x1b[31m\x07\u202e\ud800\x9b") == "a b \\x1b[31m\\x07\\u202e\\ud800\\x9b"


@pytest.mark.parametrize(
    "body",
    [
        None,
        True,
        7,
        "x",
        [],
        [1],
        {},
        {"data": None},
        {"data": {"a": 1}},
        {"data": [1, None, {"id": 7}]},
        {"error": [[]]},
    ],
)
@pytest.mark.parametrize("path", ["/v1/models", "/version"])
def test_a_server_may_say_anything_of_itself(path: str, body: Any) -> None:
    pytest.importorskip("httpx")
    with FakeServer().running() as server:
        server.gets[path] = Reply(body) if not isinstance(body, str) else Reply(json.dumps(body).encode())
        try:
            with opened(server) as backend:
                json.dumps(backend.versions())
        except UserError as error:
            assert path == "/v1/models" and "\n" not in str(error)


@pytest.mark.parametrize(
    "card",
    [
        {"max_model_len": True},
        {"max_model_len": -5},
        {"max_model_len": 10**40},
        {"max_model_len": "8"},
        {"owned_by": ["vllm"]},
        {"root": {"a": [None]}},
        {"parent": float("nan")},
        {"owned_by": "\x1b[2J\ud800" * 999},
    ],
)
def test_an_odd_entry_of_the_models_list_changes_nothing(card: dict[str, Any]) -> None:
    pytest.importorskip("httpx")
    with FakeServer().running() as server:
        server.models = [{"id": "tiny", **card}]
        with opened(server) as backend:
            assert backend.model.max_length is None
            json.dumps(backend.settings()).encode()


def test_one_huge_list_of_models_is_one_line() -> None:
    pytest.importorskip("httpx")
    with FakeServer().running() as server:
        server.gets["/v1/models"] = Reply(b" " * (9 << 20))
        with pytest.raises(UserError, match="longer than"), opened(server):
            pass


def test_a_content_that_is_no_text_is_an_error_of_its_own_request() -> None:
    pytest.importorskip("httpx")
    done = answers(lambda call: Reply({"choices": [{"message": {"content": 7}}]}), "a")["a"]
    assert done.finish_reason == "error" and "no text" in str(done.error)


@pytest.mark.parametrize("content", [{"review_id": "A"}, [{"review_id": "A"}], [{"text": "a"}, {"answer": 1}]])
def test_an_answer_that_the_server_has_read_already_is_no_empty_answer(content: object) -> None:
    with pytest.raises(BrokenBody, match="no part of a text"):
        chat_answer({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]})


def test_text_beside_the_content_is_read() -> None:
    answer = chat_answer({"choices": [{"message": {"content": None, "text": "[1]"}, "finish_reason": "stop"}]})
    assert answer.text == "[1]"


@pytest.mark.parametrize("kind", ["thought", "analysis", "reasoning_text", "thinking"])
def test_parts_of_reasoning_are_no_text(kind: str) -> None:
    parts = [{"type": kind, "text": "hm"}, {"type": "final", "text": "[1]"}]
    answer = chat_answer({"choices": [{"message": {"content": parts}, "finish_reason": "stop"}]})
    assert (answer.text, answer.reasoning) == ("[1]", "hm")
