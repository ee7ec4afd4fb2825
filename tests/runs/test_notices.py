"""Where answers contradict what a run asked for, the run and its reports say so, with counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from listeval.report.markdown import markdown
from listeval.report.terminal import print_runs
from listeval.runs import Run, RunConfig, run
from tests.backends.fake_server import Call, FakeServer, Reply, chat

pytest.importorskip("httpx")

Rule = Callable[[Call], Reply]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    with FakeServer().running() as server:

        def make(rule: Rule, **changes: Any) -> Run:
            server.rule = rule
            values = {"task": "fashion", "model": "tiny", "backend": "openai", "base_url": server.url, "limit": 4}
            return run(RunConfig(**{**values, "out": str(tmp_path / "run"), "concurrency": 1, **changes}))

        yield make


def alternately(*replies: dict[str, Any]) -> Rule:
    calls: list[Call] = []

    def rule(call: Call) -> Reply:
        calls.append(call)
        return Reply(replies[(len(calls) - 1) % len(replies)])

    return rule


CALL = {"function": {"name": "x", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("replies", "changes", "said"),
    [
        (
            [chat("[]", reasoning="hm"), chat("[]")],
            {"enable_thinking": False},
            "--no-thinking was asked for, yet 2 of",
        ),
        (
            [chat("<think>a</think>[]"), chat("[]")],
            {"enable_thinking": False},
            "--no-thinking was asked for, yet 2 of",
        ),
        ([chat("[]")], {"enable_thinking": True}, "--thinking was asked for, yet none of 4"),
        (
            [chat("[]", reasoning="hm"), chat("[]")],
            {"chat_template_arg": {"thinking": False}},
            "--chat-template-arg thinking=false was asked for, yet 2 of 4",
        ),
        ([chat(None, tool_calls=[CALL]), chat("[]")], {}, "no tools were sent, yet 2 of 4 answers came as tool calls"),
        ([chat("[]")], {"max_tokens": 6}, "--max-tokens 6 was asked for, yet 4 of 4 answers are longer"),
        ([chat("words"), chat("[]")], {"structured": True}, "the schema was sent along, yet 2 of 4 answers break it"),
    ],
)
def test_a_contradiction_is_told(
    start: Callable[..., Run], replies: list[dict[str, Any]], changes: dict[str, Any], said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    done = start(alternately(*replies), **changes)
    (notice,) = done.notices
    assert said in notice
    assert done.to_json()["notices"] == [notice]
    print_runs([done])
    assert said in re.sub(r"\s+", " ", capsys.readouterr().out)
    assert said in markdown([done])


@pytest.mark.parametrize(
    ("reply", "changes"),
    [
        (chat("[]"), {}),
        (chat("[]"), {"enable_thinking": False}),
        (chat("[]", reasoning=" "), {"enable_thinking": False}),
        (chat(None, tool_calls=[]), {}),
        (chat("[]", reasoning="hm"), {"enable_thinking": True}),
        (chat("[]", reasoning="hm"), {}),
        (chat("[]"), {"max_tokens": 7}),
        (chat("[]", reasoning="hm"), {"chat_template_arg": {"reasoning_effort": "low"}}),
        (chat("[]"), {"chat_template_arg": {"n": 0}}),
    ],
)
def test_what_was_asked_for_is_no_contradiction(
    start: Callable[..., Run], reply: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert start(alternately(reply), **changes).notices == []


def test_a_field_that_the_server_does_not_take_is_named(start: Callable[..., Run]) -> None:
    def rule(call: Call) -> Reply:
        return Reply({"error": {"message": "Unknown name seed"}}, 400) if "seed" in call.body else Reply(chat("[]"))

    assert start(rule).notices == ["the server takes no seed: requests went without"]
