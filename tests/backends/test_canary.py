"""The canary against servers that drop the constraint: every one of them is caught, and one that keeps it passes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx")

from listeval.backends import canary
from listeval.backends.canary import ask_unique
from listeval.backends.openai import openai_engine as openai
from listeval.backends.openai.http import Retry
from listeval.backends.openai.openai_schema import ServedSchema
from listeval.backends.protocol import BackendOptions
from listeval.contract import Calls, Contract, Item, Record
from listeval.decoding.constraint import PACKAGES, Constraint
from listeval.decoding.proof.audit import audit
from listeval.decoding.proof.marked_schema import begins_marked, canary_contract
from listeval.decoding.proof.text_spacing import spacing_of
from listeval.errors import ExitCode, UserError
from tests.backends.fake_server import VLLM_CARD, Call, FakeServer, Reply, chat
from tests.decoding.conftest import contract

Rule = Callable[[Call], Reply]
SCHEMA = Constraint("schema", "server")
PAIR = contract(["A1", "A2"])
PROSE = "The sea is wide and grey this morning."


def schema_of(call: Call) -> dict[str, Any]:
    """The schema in today's documented field; a server that looks for it elsewhere finds none."""
    return call.body["response_format"]["json_schema"]["schema"]


def value(schema: dict[str, Any]) -> Any:
    """The least that a schema asks for."""
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if "anyOf" in schema:
        return value(schema["anyOf"][0])
    match schema["type"]:
        case "object":
            return {name: value(inner) for name, inner in schema["properties"].items()}
        case "array":
            return [value(schema["items"])] * schema.get("minItems", 0)
        case "string":
            return "x"
        case _:
            return 1


def fill(call: Call) -> Any:
    """What a server that honours the schema answers: a list of objects that all have one id."""
    if "structured_outputs" not in call.body:
        return value(schema_of(call))
    told = call.body["structured_outputs"]
    if "json" in told:
        return value(told["json"])
    # Whatever keeps the expression; a search for it would be an engine of its own.
    found = [[{"review_id": "zq-4817", "score": 1}] * 3, {"zq-4817": ["zq-4817", "zq-4817"]}]
    return next(one for one in found if re.fullmatch(told["regex"], json.dumps(one)))


def keeps(call: Call) -> Reply:
    """Honours the schema, and knows nothing of uniqueItems."""
    return Reply(chat(json.dumps(fill(call))))


def refuses_unique(call: Call) -> Reply:
    if "uniqueItems" in json.dumps(call.body):
        return Reply({"error": {"message": "uniqueItems is not supported"}}, 400)
    return Reply(chat(json.dumps(fill(call))))


def legacy(call: Call) -> Reply:
    """Knows `guided_json` alone, and takes every other field without a word."""
    schema = call.body.get("guided_json")
    return Reply(chat(json.dumps(value(schema)) if schema else PROSE))


LIARS: dict[str, Rule] = {
    "200 with free text": lambda call: Reply(chat(PROSE)),
    "legacy field names": legacy,
    "JSON in the reasoning channel": lambda call: Reply(chat("", reasoning_content=json.dumps(fill(call)))),
    "JSON in both the think tag and nowhere else": lambda call: Reply(chat(f"<think>{fill(call)}</think>")),
    "empty": lambda call: Reply(chat("")),
    "null": lambda call: Reply(chat(None)),
    "free JSON": lambda call: Reply(chat('[{"sentence": "The sea is wide."}]')),
    "json_object without a schema": lambda call: Reply(chat("{}")),
    "fenced and right": lambda call: Reply(chat(f"```json\n{json.dumps(fill(call))}\n```")),
    "prose around it": lambda call: Reply(chat("Here it is: " + json.dumps(fill(call)))),
    "enum dropped": lambda call: Reply(chat(json.dumps(fill(call)).replace("zq-4817", "sea"))),
    "key dropped": lambda call: Reply(chat(json.dumps(fill(call)).replace("score", "rank"))),
    "length dropped": lambda call: Reply(chat(json.dumps(fill(call)[:1]))),
    "prose to the budget": lambda call: Reply(chat(PROSE * 9, finish="length")),
    "refusal": lambda call: Reply(chat(None, refusal="I cannot help with that.")),
    "field refused": lambda call: Reply({"error": {"message": "response_format is not supported"}}, 400),
    "unprocessable": lambda call: Reply({"detail": "structured_outputs: extra field"}, 422),
}


def ask(
    rule: Rule,
    constraint: Constraint = SCHEMA,
    card: dict[str, Any] | None = None,
    asked: Contract[Any] = PAIR,
    **options: Any,
) -> Any:
    server = FakeServer(rule)
    if card is not None:
        server.models = [card]
    with server.running():
        given = BackendOptions(base_url=server.url, constraint=constraint, **options)
        backend = openai.open("tiny", given, Retry(attempts=1))
        try:
            result = canary.ask(backend, constraint, asked)
            found = audit(backend, constraint, asked)
            if constraint.kind == "schema":
                found["unique_items_asked"] = ask_unique(backend)
            return result, found, server.calls
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
    assert result["spacing"] == "gold"
    for call in calls:
        assert ("structured_outputs" in call.body) == (card is not None)
        assert ("response_format" in call.body) == (card is None)
        assert not any(name.startswith("guided") for name in call.body)
        assert "zq-" not in json.dumps(call.body.get("messages"))


def test_a_server_that_says_what_it_cannot_is_believed() -> None:
    for card in (VLLM_CARD, None):
        result, found, _ = ask(refuses_unique, card=card)
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
        objects = ",".join(f'{{"review_id":"{name}","score":1}}' for name in ids)
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
        assert (found["engine"], found["form"]) == ("xgrammar", "our grammar")
        assert (found["valid"], found["rules"]) == ("untested", {})
        assert found["spacing"] == {"asked": "either", "measured": "untested"}

    def test_what_has_to_be_started_is_said(self) -> None:
        with pytest.raises(UserError, match=r"--logits-processors listeval\.decoding"):
            ask(keeps, self.OWN)
        with pytest.raises(UserError, match="add --tokenizer CKPT"):
            ask(keeps, self.OWN, VLLM_CARD)


def test_a_small_model_may_spend_the_budget_inside_a_number() -> None:
    constraint = Constraint("permutation", "xgrammar")
    cut = Reply(chat('[{"review_id":"zq-4817","score":10000', finish="length"))
    assert ask(lambda call: cut, constraint, VLLM_CARD)[0]["passed"]
    free = Reply(chat('[{"review_id":"sea","score":10000', finish="length"))
    assert not ask(lambda call: free, constraint, VLLM_CARD)[0]["passed"]


@pytest.mark.parametrize(("backend", "fix"), [("hf", "add --no-thinking"), ("openai", "without a reasoning parser")])
def test_a_prompt_that_opens_a_thought_is_told_apart(backend: str, fix: str) -> None:
    result, _, _ = ask(LIARS["JSON in the reasoning channel"])
    with pytest.raises(canary.CanaryFailed, match=fix):
        canary.check(result, SCHEMA, backend)


class Inner(Item):
    x: int


class Answer(Item):
    why: str
    inner: Inner


OBJECT = Record(Answer)
CALLS = Calls({"f": Inner, "g": Answer})


@pytest.mark.parametrize("asked", [PAIR, OBJECT, CALLS], ids=["list", "object", "calls"])
def test_the_canary_has_the_contracts_own_shape(asked: Contract[Any]) -> None:
    shape, own = canary_contract(asked).json_schema(), asked.json_schema()
    assert shape["type"] == own["type"]
    result, _, calls = ask(inlined(keeps), asked=asked)
    assert result["passed"], result
    assert schema_of(calls[0])["type"] == own["type"]
    assert not begins_marked("[]", canary_contract(asked)) and not begins_marked("{}", canary_contract(asked))


def inlined(rule: Rule) -> Rule:
    """A server without `$ref`: it says so, as some do."""

    def answer(call: Call) -> Reply:
        if "$ref" in json.dumps(call.body):
            return Reply({"error": {"message": "Unknown name \"$ref\" at 'response_schema'"}}, 400)
        return rule(call)

    return answer


WORDS = [
    "Invalid schema for response_format 'answer': schema must be a JSON Schema of 'type: \"object\"', got 'array'.",
    "response_format: only objects are allowed at the root level",
    "Bad request",
    "json_schema: unsupported",
]


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("words", WORDS)
def test_a_list_goes_into_an_object_where_the_server_takes_no_other_root(words: str, status: int) -> None:
    def objects_only(call: Call) -> Reply:
        if schema_of(call)["type"] != "object":
            return Reply({"error": {"message": words}}, status)
        return keeps(call)

    result, found, _ = ask(objects_only)
    assert result["passed"], result
    assert result["sent"]["wrapped"] == "answer" and result["text"].startswith('[{"review_id"')
    assert found["unique_items_asked"] == "ignored"
    # An object contract needs no wrapping there.
    result, _, _ = ask(inlined(objects_only), asked=OBJECT)
    assert result["passed"] and "wrapped" not in result["sent"]


@pytest.mark.parametrize("word", ["minItems", "maxItems", "minimum", "additionalProperties"])
@pytest.mark.parametrize(
    "words", ["'{}' is not permitted", 'Unknown name "{}": Cannot find field.', "schema: {} unsupported"]
)
def test_a_keyword_that_only_narrows_is_left_out_and_recorded(word: str, words: str) -> None:
    def refuses(call: Call) -> Reply:
        if f'"{word}"' in json.dumps(schema_of(call)):
            return Reply({"error": {"message": words.format(word)}}, 400)
        return Reply(chat(json.dumps(fill(call) or [{"review_id": "zq-1748", "score": 2}])))

    result, _, _ = ask(refuses)
    assert result["passed"], result
    assert word in result["sent"]["left_out"] and "wrapped" not in result["sent"]


@pytest.mark.parametrize("word", ["enum", "required"])
def test_a_keyword_that_cannot_go_is_named(word: str) -> None:
    def refuses(call: Call) -> Reply:
        return Reply({"error": {"message": f"schema: '{word}' is not supported here"}}, 400)

    result, _, calls = ask(refuses)
    with pytest.raises(canary.CanaryFailed, match=f"the server refuses the schema's keyword '{word}'"):
        canary.check(result, SCHEMA, "openai")
    assert all("response_format" in call.body for call in calls)


def test_a_constant_may_be_said_as_a_choice_of_one() -> None:
    def refuses(call: Call) -> Reply:
        schema = json.dumps(schema_of(call))
        if '"const"' in schema:
            return Reply({"error": {"message": "keyword const is not supported"}}, 400)
        return keeps(call)

    result, _, _ = ask(inlined(refuses), asked=CALLS)
    assert result["passed"] and not result["sent"].get("left_out"), result


def test_a_vllm_server_without_expressions_gets_the_schema() -> None:
    def no_regex(call: Call) -> Reply:
        if "regex" in call.body["structured_outputs"]:
            return Reply({"error": {"message": "regex is not supported by this backend"}}, 400)
        return keeps(call)

    result, found, calls = ask(no_regex, card=VLLM_CARD)
    assert result["passed"] and found["form"] == "the server's own JSON mode"
    assert "json" in calls[-1].body["structured_outputs"]


@pytest.mark.parametrize("card", [None, VLLM_CARD], ids=["openai", "vllm"])
def test_a_refusal_of_another_field_does_not_weaken_the_constraint(card: dict[str, Any] | None) -> None:
    def no_seed(call: Call) -> Reply:
        if "seed" in call.body:
            return Reply({"error": {"message": "Unsupported parameter: seed"}}, 400)
        return keeps(call)

    result, found, _ = ask(no_seed, card=card)
    assert result["passed"] and result["sent"].keys() == {"field"}
    assert found["form"] != "the server's own JSON mode" or card is None


def test_nothing_is_learned_once_a_schema_was_answered() -> None:
    def later(call: Call) -> Reply:
        if "uniqueItems" in json.dumps(call.body):
            return Reply({"error": {"message": "minItems is not supported"}}, 400)
        return keeps(call)

    result, _, calls = ask(later)
    assert result["passed"] and all("minItems" in json.dumps(call.body) for call in calls)


@pytest.mark.parametrize(
    ("text", "spacing"),
    [
        ('[{"a":1,"b":2}]', "compact"), ('[{"a": 1, "b": 2}]', "gold"), ('[{"a": 1,"b":2}]', "either"),
        ('[ {"a":1}]', "free"), ('{"a" :1}', "free"), ('[\n {"a": 1}]', "free"), ('{"a":  1}', "free"),
        ('["x, y: z"]', "unseen"), ('[{"a": "x,y:z", "b', "gold"), ("[]", "unseen"), (r'["a\\", "b"]', "gold"),
    ],
)  # fmt: skip
def test_spacing_is_read_outside_strings(text: str, spacing: str) -> None:
    assert spacing_of(text) == spacing


@pytest.mark.parametrize("inner", ['[{"a": "]}"}]', "[1, 2]", '{"answer": 1}', "[]"])
def test_what_comes_out_of_the_wrapper_is_what_stood_in_it(inner: str) -> None:
    served = ServedSchema()
    assert served.unwrapped(f'{{"answer": {inner}}}') == f'{{"answer": {inner}}}'
    served.wrapped = True
    for text in (f'{{"answer": {inner}}}', f'  {{ "answer" :{inner} }}\n'):
        assert served.unwrapped(text) == inner
    for cut in range(1, len(inner)):
        assert served.unwrapped(f'{{"answer": {inner[:cut]}') == inner[:cut]
    for other in ("The sea.", "[3]", '{"answers": [1]}', f'{{"answer": {inner}, "more": 1}}'):
        assert served.unwrapped(other) in (other, inner)
