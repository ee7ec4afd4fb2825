"""The canary against servers that drop the constraint: every one of them is caught, and one that keeps it passes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx")

from listeval.backends import openai
from listeval.backends.openai_http import Retry
from listeval.backends.protocol import BackendOptions
from listeval.decoding import canary
from listeval.decoding.audit import audit
from listeval.decoding.constraint import PACKAGES, Constraint
from listeval.errors import ExitCode, UserError
from tests.backends.fake_server import VLLM_CARD, Call, FakeServer, Reply, chat
from tests.decoding.conftest import contract

Rule = Callable[[Call], Reply]
SCHEMA = Constraint("schema", "server", "engine")
PROSE = "The sea is wide and grey this morning."


def schema_of(call: Call) -> dict[str, Any]:
    """The schema in today's documented fields; a server that looks for it elsewhere finds none."""
    body = call.body
    if "structured_outputs" in body:
        return body["structured_outputs"]["json"]
    return body["response_format"]["json_schema"]["schema"]


def fill(schema: dict[str, Any]) -> list[str]:
    return [schema["items"]["enum"][0]] * schema["minItems"]


def keeps(call: Call) -> Reply:
    """Honours the schema, and knows nothing of uniqueItems."""
    return Reply(chat(json.dumps(fill(schema_of(call)))))


def refuses_unique(call: Call) -> Reply:
    schema = schema_of(call)
    if schema.get("uniqueItems"):
        return Reply({"error": {"message": "uniqueItems is not supported"}}, 400)
    return Reply(chat(json.dumps(fill(schema))))


def legacy(call: Call) -> Reply:
    """Knows `guided_json` alone, and takes every other field without a word."""
    schema = call.body.get("guided_json")
    return Reply(chat(json.dumps(fill(schema)) if schema else PROSE))


LIARS: dict[str, Rule] = {
    "200 with free text": lambda call: Reply(chat(PROSE)),
    "legacy field names": legacy,
    "JSON in the reasoning channel": lambda call: Reply(chat("", reasoning_content=json.dumps(fill(schema_of(call))))),
    "JSON in both the think tag and nowhere else": lambda call: Reply(chat(f"<think>{fill(schema_of(call))}</think>")),
    "empty": lambda call: Reply(chat("")),
    "null": lambda call: Reply(chat(None)),
    "free JSON": lambda call: Reply(chat('[{"sentence": "The sea is wide."}]')),
    "json_object without a schema": lambda call: Reply(chat("{}")),
    "fenced and right": lambda call: Reply(chat(f"```json\n{json.dumps(fill(schema_of(call)))}\n```")),
    "prose around it": lambda call: Reply(chat("Here it is: " + json.dumps(fill(schema_of(call))))),
    "enum dropped": lambda call: Reply(chat('["the", "grey", "sea"]')),
    "length dropped": lambda call: Reply(chat(json.dumps(fill(schema_of(call))[:1]))),
    "prose to the budget": lambda call: Reply(chat(PROSE * 9, finish="length")),
    "refusal": lambda call: Reply(chat(None, refusal="I cannot help with that.")),
    "field refused": lambda call: Reply({"error": {"message": "response_format is not supported"}}, 400),
    "unprocessable": lambda call: Reply({"detail": "structured_outputs: extra field"}, 422),
}


def ask(rule: Rule, constraint: Constraint = SCHEMA, card: dict[str, Any] | None = None, **options: Any) -> Any:
    server = FakeServer(rule)
    if card is not None:
        server.models = [card]
    with server.running():
        given = BackendOptions(base_url=server.url, constraint=constraint, **options)
        backend = openai.open("tiny", given, Retry(attempts=1))
        try:
            return canary.ask(backend, constraint), audit(backend, constraint, contract(["A1", "A2"])), server.calls
        finally:
            backend.close()


@pytest.mark.parametrize("card", [None, VLLM_CARD], ids=["openai", "vllm"])
@pytest.mark.parametrize("name", LIARS)
def test_every_server_that_drops_the_constraint_is_caught(name: str, card: dict[str, Any] | None) -> None:
    result, _, _ = ask(LIARS[name], card=card)
    assert not result["passed"] and result["why"]
    with pytest.raises(canary.CanaryFailed) as error:
        canary.check(result, SCHEMA, "openai")
    assert error.value.exit_code == ExitCode.CANARY_FAILED
    assert "\n" not in str(error.value) and "Fix:" in str(error.value)


@pytest.mark.parametrize("card", [None, VLLM_CARD], ids=["openai", "vllm"])
def test_a_server_that_keeps_it_passes_and_uses_todays_fields(card: dict[str, Any] | None) -> None:
    result, found, calls = ask(keeps, card=card)
    assert result["passed"], result
    canary.check(result, SCHEMA, "openai")
    assert found["unique_items_asked"] == "ignored"
    for call in calls:
        assert ("structured_outputs" in call.body) == (card is not None)
        assert ("response_format" in call.body) == (card is None)
        assert not any(name.startswith("guided") for name in call.body)
        assert "zq-" not in json.dumps(call.body.get("messages"))


def test_a_server_that_says_what_it_cannot_is_believed() -> None:
    result, found, _ = ask(refuses_unique, card=VLLM_CARD)
    assert result["passed"]
    assert found["unique_items_asked"] == "refused"


def test_a_request_never_goes_without_its_schema() -> None:
    def once(call: Call) -> Reply:
        if "response_format" in call.body:
            return Reply({"error": {"message": "unknown field response_format"}}, 400)
        return Reply(chat(PROSE))

    result, _, calls = ask(once)
    assert not result["passed"]
    assert all("response_format" in call.body for call in calls)


class TestPermutation:
    """Our automaton behind a server: the processor has to be there, and a schema alone is not enough."""

    OWN = Constraint("permutation", "own")

    def ask(self, rule: Rule, checkpoint: Path, constraint: Constraint = OWN) -> Any:
        pytest.importorskip("transformers")
        return ask(rule, constraint, VLLM_CARD, tokenizer=str(checkpoint))[::2]

    @staticmethod
    def text(*ids: str) -> Reply:
        objects = ",".join(f'{{"id":"{name}","score":1}}' for name in ids)
        return Reply({"choices": [{"text": f"[{objects}]", "finish_reason": "stop"}]})

    def test_a_processor_that_is_there(self, checkpoint: Path) -> None:
        result, calls = self.ask(lambda call: self.text("zq-1748", "zq-4817", "zq-8471"), checkpoint)
        assert result["passed"]
        told = json.loads(calls[0].body["vllm_xargs"]["listeval"])
        assert told["permutation"]["ids"] == list(canary.IDS)
        assert calls[0].body["stop_token_ids"] == told["stops"]

    @pytest.mark.parametrize(
        "constraint", [OWN, Constraint("permutation", "xgrammar"), Constraint("scaffold", "xgrammar")]
    )
    def test_duplicates_of_a_schema_alone(self, checkpoint: Path, constraint: Constraint) -> None:
        result, _ = self.ask(lambda call: self.text("zq-4817", "zq-4817", "zq-4817"), checkpoint, constraint)
        assert not result["passed"]
        with pytest.raises(canary.CanaryFailed):
            canary.check(result, constraint, "openai")

    def test_a_processor_that_is_not_there(self, checkpoint: Path) -> None:
        result, _ = self.ask(lambda call: Reply({"choices": [{"text": PROSE}]}), checkpoint)
        with pytest.raises(canary.CanaryFailed, match=r"--logits-processors listeval\.decoding"):
            canary.check(result, self.OWN, "openai")

    def test_stock_fields(self, checkpoint: Path) -> None:
        _, calls = self.ask(lambda call: self.text("a"), checkpoint, Constraint("permutation", "xgrammar"))
        assert "root ::=" in calls[0].body["structured_outputs"]["grammar"]
        _, calls = self.ask(lambda call: self.text("a"), checkpoint, Constraint("scaffold", "outlines"))
        assert "zq" in calls[0].body["structured_outputs"]["regex"]

    def test_the_servers_engine_need_not_be_installed_here(
        self, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(PACKAGES, "xgrammar", "not_there")
        pytest.importorskip("transformers")
        rule: Rule = lambda call: self.text(*canary.IDS)  # noqa: E731
        _, found, _ = ask(rule, Constraint("permutation", "xgrammar"), VLLM_CARD, tokenizer=str(checkpoint))
        assert found == {"engine": "xgrammar", "valid": "untested", "rules": {}}

    def test_what_has_to_be_started_is_said(self) -> None:
        with pytest.raises(UserError, match=r"--logits-processors listeval\.decoding"):
            ask(keeps, self.OWN)
        with pytest.raises(UserError, match="add --tokenizer CKPT"):
            ask(keeps, self.OWN, VLLM_CARD)


def test_a_small_model_may_spend_the_budget_inside_a_number() -> None:
    constraint = Constraint("permutation", "xgrammar")
    cut = Reply(chat('[{"id":"zq-4817","score":10000', finish="length"))
    assert ask(lambda call: cut, constraint, VLLM_CARD)[0]["passed"]
    free = Reply(chat('[{"id":"sea","score":10000', finish="length"))
    assert not ask(lambda call: free, constraint, VLLM_CARD)[0]["passed"]


@pytest.mark.parametrize(("backend", "fix"), [("hf", "add --no-thinking"), ("openai", "without a reasoning parser")])
def test_a_prompt_that_opens_a_thought_is_told_apart(backend: str, fix: str) -> None:
    result, _, _ = ask(LIARS["JSON in the reasoning channel"])
    with pytest.raises(canary.CanaryFailed, match=fix):
        canary.check(result, SCHEMA, backend)
