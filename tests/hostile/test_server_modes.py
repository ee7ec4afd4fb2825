"""Two hundred ways in which a server can answer one request badly: the run goes on, and counts what it got for what
it is. Of three samples the first and the last are answered well; the one between meets the mode, at every attempt.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from listeval.backends.openai.http import Retry
from listeval.runs import Run, RunConfig, run
from listeval.runs.rows import Row
from tests.backends.fake_server import Call, FakeServer, Reply, chat

pytest.importorskip("httpx")

Mode = Callable[[Call], Reply]
BIG = 3 << 20
GZIP = {"Content-Encoding": "gzip"}


def gold(call: Call) -> str:
    """The answer that every contract of the bundled sample takes."""
    ids = re.findall(r"(?m)^\[Review \d+\] id=(\S+)", call.body["messages"][-1]["content"])
    return json.dumps([{"review_id": name, "score": place} for place, name in enumerate(ids)])


def good(call: Call) -> Reply:
    return Reply(chat(gold(call)))


def wire(call: Call) -> bytes:
    return json.dumps(chat(gold(call))).encode()


def choice(finish: Any = "stop", usage: Any = None, **message: Any) -> Reply:
    body = {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}
    return Reply(body)


def said(finish: Any, cut: int | None = 60, usage: Any = None, **more: Any) -> Mode:
    """The gold answer, cut, with this finish reason."""
    return lambda call: choice(finish, usage, content=gold(call)[:cut], **more)


def held(**message: Any) -> Mode:
    return lambda call: choice("stop", **message)


def fixed(*args: Any, **kwargs: Any) -> Mode:
    return lambda call: Reply(*args, **kwargs)


def whole(change: Callable[[dict[str, Any], str], Any]) -> Mode:
    """A good answer's body, changed."""

    def mode(call: Call) -> Reply:
        body = chat(gold(call))
        return Reply(change(body, gold(call)) or body)

    return mode


def field(name: str, value: Any, at: str = "choice") -> Mode:
    """A good answer with one field of another shape."""

    def change(body: dict[str, Any], _: str) -> None:
        place = {"body": body, "choice": body["choices"][0], "message": body["choices"][0]["message"]}[at]
        place[name] = value

    return whole(change)


def deep(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def bomb(layers: int = 1, size: int = 64 << 20) -> bytes:
    content = b" " * size
    for _ in range(layers):
        content = gzip.compress(content, 9)
    return content


BUDGET = 512
SPENT = {"prompt_tokens": 9, "completion_tokens": 4096}
ODD: dict[str, Any] = {
    "null": None, "true": True, "false": False, "zero": 0, "float": 1.5, "negative": -7, "list": ["stop"],
    "empty list": [], "object": {"a": 1}, "nested": {"a": [{"b": [None]}]}, "text": "x", "surrogate": "\ud800",
    "control": "\x1b[2J\x07", "NaN": float("nan"), "infinity": float("inf"), "huge": 10**30,
}  # fmt: skip

ERRORS: dict[str, Mode] = {
    # What ended the answer was the server.
    **{f"finish {word}": said(word) for word in (
        "error", "ERROR", "abort", "aborted", "cancelled", "CANCELLED", "timeout", "network_error", "server_error",
        "insufficient_system_resource", "engine_overloaded", "internal error", "INTERNAL_ERROR", "time_limit",
        "connection_closed", "failed", "preempted",
    )},
    # What ended it is not to be told.
    **{f"finish {word!r}": said(word, None) for word in ("banana", "FINISH_REASON_UNSPECIFIED", "OTHER", "unknown",
        "incomplete", "in_progress", "理由", "\x1b[31mred", "x" * 100_000, "\ud800")},
    **{f"finish is {name}": said(value, None) for name, value in ODD.items()
       if name not in ("null", "text", "surrogate", "control")},
    "finish null, no word": lambda call: choice(None, content=None),
    # JSON of another shape.
    **{f"content is {name}": field("content", ODD[name], "message")
       for name in ("true", "zero", "float", "NaN", "huge", "infinity", "negative")},
    **{f"message is {name}": field("message", ODD[name]) for name in ("null", "true", "list", "text", "zero")},
    **{f"choices is {name}": field("choices", ODD[name], "body")
       for name in ("null", "true", "text", "object", "empty list", "list", "zero")},
    **{f"the body is {name}": fixed(value) for name, value in ODD.items()
       if name not in ("text", "surrogate", "control")},
    "an error under 200": fixed({"error": {"message": "upstream died", "code": 502}}),
    "an error beside the answer": field("error", {"message": "died"}, "body"),
    "an error in the choice": field("error", {"code": 502, "message": "died"}),
    "an error that is a list": fixed({"error": [1, [2], {"a": None}]}),
    "an error of control characters": fixed({"error": {"message": "\x1b]0;title\x07\u202e\ud800"}}, 400),
    # No JSON.
    "html": fixed("<html>gateway</html>"),
    "nothing": fixed(b""),
    "blanks": fixed(b" " * 1000),
    "half": fixed(b'{"choices": ['),
    "latin-1": fixed('{"choices": "é"}'.encode("latin-1")),
    "an unknown charset": fixed(b"\xff\xfe\x00", headers={"Content-Type": "text/plain; charset=klingon"}),
    "zeros": fixed(b"\0" * 5000),
    "deep lists": fixed(b"[" * 200_000),
    "deep lists, closed": fixed(json.dumps(deep(300)).encode()),
    "very deep lists, closed": fixed(b"[" * 50_000 + b"]" * 50_000),
    "deep objects": fixed(b'{"a":' * 100_000),
    "an integer of 10,000 digits": fixed(b'{"choices": ' + b"9" * 10_000 + b"}"),
    "a number beyond floats": fixed(b'{"choices": 1e999}'),
    "a stream of events": fixed('data: {"choices": [{"delta": {"content": "x"}}]}\n\ndata: [DONE]\n\n'),
    # Sizes.
    "too long": fixed(b" " * (8 << 20)),
    "too long a text": whole(lambda body, text: body["choices"][0]["message"].update(content="x" * BIG)),
    "a gzip bomb": fixed(bomb(), headers={"Content-Encoding": "gzip"}),
    "a gzip bomb of JSON": fixed(gzip.compress(b"[" + b"[]," * (8 << 20) + b"[]]"), headers=GZIP),
    "a gzip bomb in a bomb": fixed(bomb(2), headers={"Content-Encoding": "gzip, gzip"}),
    "a bomb under an error": fixed(bomb(), 400, headers={"Content-Encoding": "gzip"}),
    "a bomb of deflate": fixed(zlib.compress(b" " * (64 << 20), 9), headers={"Content-Encoding": "deflate"}),
    "brotli": fixed(b"\x0b\x02\x80", headers={"Content-Encoding": "br"}),
    "zstd": fixed(b"\x28\xb5\x2f\xfd", headers={"Content-Encoding": "zstd"}),
    "an unknown encoding": fixed(b"{}", headers={"Content-Encoding": "\x1bx"}),
    "no gzip": fixed(b"{}", headers={"Content-Encoding": "gzip"}),
    "half a gzip": fixed(gzip.compress(b"{}" * 999)[:-9], headers={"Content-Encoding": "gzip"}),
    # Time and transport.
    "drips": fixed(b" " * 10_000, tear="drip"),
    "drips after the JSON": fixed(json.dumps(chat("x")).encode() + b" " * 10_000, tear="drip"),
    "reset": fixed(chat("x" * 99), tear="reset"),
    "short": fixed(chat("x" * 99), tear="short"),
    "unfinished chunk": fixed(chat("x" * 99), tear="chunked"),
    "silent": fixed(chat("x"), tear="silent"),
    "no HTTP": fixed(b"SSH-2.0-OpenSSH_9.6\r\n", tear="raw"),
    "a bad status line": fixed(b"HTTP/1.1 abc def\r\n\r\n", tear="raw"),
    "a bad header": fixed(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}", tear="raw"),
    "two lengths": fixed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}", tear="raw"),
    "endless headers": fixed(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 99_999, tear="raw"),
    "a header of a megabyte": fixed(b"HTTP/1.1 200 OK\r\nX: " + b"y" * (1 << 20), tear="raw"),
    "no chunk": fixed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", tear="raw"),
    # Statuses.
    **{f"status {status}": fixed({"error": {"message": "no"}}, status)
       for status in (204, 300, 304, 400, 403, 404, 405, 406, 409, 410, 413, 418, 422, 429, 451, 500, 501, 503,
                      520, 599)},
    "a retry-after that is none": fixed({}, 503, {"Retry-After": "soon"}),
    "a retry-after beyond the calendar": fixed({}, 503, {"Retry-After": "Fri, 31 Dec 99999 23:59:59 GMT"}),
    "a retry-after that is not a number": fixed({}, 503, {"Retry-After": "nan"}),
}  # fmt: skip

KINDS: dict[str, dict[str, Mode]] = {
    "ok": {
        **{f"finish {word!r}": said(word, None) for word in (
            "stop", "STOP", "Stop", "end_turn", "eos", "EOS_TOKEN", "stop_sequence", "COMPLETE", "endoftext", None, "",
            "null", "tool_calls", "endTurn", "eos_found", "finished")},
        "usage is a list": field("usage", [1], "body"),
        "usage is text": field("usage", "many", "body"),
        "usage counts are odd": field("usage", {"completion_tokens": "7", "prompt_tokens": True, "total_tokens": -1},
                                      "body"),
        "usage counts are huge": field("usage", {"completion_tokens": 10**400, "prompt_tokens": 10**30}, "body"),
        "token ids are odd": field("token_ids", ["a", None, -1, 10**40, True]),
        "reasoning is odd": field("reasoning", [1, {"a": None}, [[["x"]]]], "message"),
        "reasoning is deep": field("reasoning", deep(200), "message"),
        "tool calls are odd": field("tool_calls", {"a": deep(50)}, "message"),
        "refusal is odd": field("refusal", 7, "message"),
        "unknown fields": field("x", deep(100), "body"),
        "text in parts": lambda call: choice(content=[{"type": "text", "text": gold(call)[:9]},
                                                      {"type": "output_text", "text": gold(call)[9:]}]),
        "text in bare parts": lambda call: choice(content=[gold(call)[:9], gold(call)[9:]]),
        "text in an object": lambda call: choice(content={"type": "text", "text": {"value": gold(call)}}),
        "thinking in a part": lambda call: choice(content=[
            {"type": "thinking", "thinking": [{"type": "text", "text": "[1] no"}]},
            {"type": "text", "text": gold(call)}]),
        "legacy text": lambda call: Reply({"choices": [{"text": gold(call), "finish_reason": "stop"}]}),
        "a delta": lambda call: Reply({"choices": [{"delta": {"content": gold(call)}, "finish_reason": "stop"}]}),
        "a byte order mark": lambda call: Reply(b"\xef\xbb\xbf" + wire(call)),
        "utf-16": lambda call: Reply(json.dumps(chat(gold(call))).encode("utf-16")),
        "gzip": lambda call: Reply(gzip.compress(wire(call)), headers=GZIP),
        "two gzips": lambda call: Reply(
            gzip.compress(wire(call)[:40]) + gzip.compress(wire(call)[40:]), headers=GZIP),
        "bare deflate": lambda call: Reply(
            zlib.compress(wire(call), wbits=-15), headers={"Content-Encoding": "deflate"}),
        "another content type": lambda call: Reply(chat(gold(call)), headers={"Content-Type": "image/png"}),
        "status 201": lambda call: Reply(chat(gold(call)), 201),
        "a budget spent to the last token": said("stop", None, {"completion_tokens": BUDGET}),
    },
    "truncated": {
        **{f"finish {word!r}": said(word) for word in (
            "length", "LENGTH", "max_tokens", "MAX_TOKENS", "max_output_tokens", "model_length", "token_limit",
            "context_length_exceeded", "model_context_window_exceeded", "maxTokens", "truncated")},
        **{f"finish {word!r}, the budget spent": said(word, 60, SPENT)
           for word in ("stop", "tool_calls", None, "", "eos")},
        "the budget spent by the total": said("stop", 60, {"prompt_tokens": 9, "total_tokens": 9 + BUDGET * 9}),
        "a gateway's stop for length": lambda call: Reply({"choices": [{
            "message": {"content": gold(call)[:60]}, "finish_reason": "stop", "native_finish_reason": "MAX_TOKENS"}]}),
        "reasoning spent it all": lambda call: choice("stop", SPENT, content=None, reasoning="hm"),
        "null and length": lambda call: choice("length", content=None),
    },
    "malformed_json": {"cut well under the budget": said("stop", 60, {"completion_tokens": 20})},
    "empty": {"null": held(content=None), "empty": held(content=""), "no parts": held(content=[]), "no content": held(),
              "an image": held(content=[{"type": "image_url", "image_url": {"url": "x"}}])},
    "wrong_channel": {
        "reasoning": held(content=None, reasoning="hm"),
        "reasoning_content": held(content="", reasoning_content="hm"),
        "thinking": held(content=" ", thinking="hm"),
        "details": held(content=None, reasoning_details=[{"type": "reasoning.text", "text": "hm"}]),
        "a thinking part": held(content=[{"type": "thinking", "thinking": "hm"}]),
        "tool calls": held(content=None, tool_calls=[{"function": {"name": "x", "arguments": "{}"}}]),
        "a function call": held(content=None, function_call={"name": "x", "arguments": "{}"}),
        "a tool part": held(content=[{"type": "tool_use", "name": "x", "input": {}}]),
        "an open block": held(content="Sure.\n<think>[1]"),
    },
    "refusal": {
        **{f"finish {word!r}": said(word) for word in ("content_filter", "SAFETY", "RECITATION", "PROHIBITED_CONTENT",
                                                        "refusal", "blocked", "guardrail_intervened")},
        "a refusal": held(content=None, refusal="I can't."),
        "a refusal part": held(content=[{"type": "refusal", "refusal": "I can't."}]),
    },
}  # fmt: skip

MODES = [("engine_error", name, mode) for name, mode in ERRORS.items()]
MODES += [(kind, name, mode) for kind, modes in KINDS.items() for name, mode in modes.items()]


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retry, "pause", lambda self, attempt: 0.0)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-0123456789")


@pytest.fixture(scope="module")
def server() -> Iterator[FakeServer]:
    with FakeServer().running() as running:
        yield running


def answered(server: FakeServer, mode: Mode, out: Path) -> Run:
    """A run of three samples of which the second meets `mode`."""
    seen: list[str] = []

    def rule(call: Call) -> Reply:
        prompt = call.body["messages"][-1]["content"]
        if prompt not in seen:
            seen.append(prompt)
        return mode(call) if seen.index(prompt) == 1 else good(call)

    server.rule = rule
    config = RunConfig(
        task="fashion", model="tiny", backend="openai", base_url=server.url, limit=3, max_tokens=BUDGET, out=str(out),
        concurrency=1, timeout_s=0.4 if "drip" in out.name or "silent" in out.name else 20.0,
    )  # fmt: skip
    return run(config)


def test_there_are_a_hundred_modes() -> None:
    assert len(MODES) >= 100
    assert len({(kind, name) for kind, name, _ in MODES}) == len(MODES)


@pytest.mark.parametrize(("kind", "name", "mode"), MODES, ids=[f"{kind}: {name[:60]!r}" for kind, name, _ in MODES])
def test_one_bad_answer_is_one_row(server: FakeServer, tmp_path: Path, kind: str, name: str, mode: Mode) -> None:
    done = answered(server, mode, tmp_path / re.sub(r"\W+", "-", name[:40]))
    rows: list[Row] = done.rows
    assert [row["kind"] for row in rows] == ["ok", kind, "ok"]
    assert done.summary.errors == (kind == "engine_error")
    assert done.summary.n == 3
    bad = rows[1]
    assert bad["outcome"] == ("error" if kind == "engine_error" else "scored")
    if kind == "engine_error":
        assert bad["error"] and len(bad["error"]) < 800
        assert bad["error"].isprintable(), "a terminal obeys nothing in it"
    (done.path / "samples.jsonl").read_text(encoding="utf-8")
