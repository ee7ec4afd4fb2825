"""The canary: a request that no free answer can satisfy, sent before a constrained run.

It asks for a sentence of prose, while its contract wants a list of ids that stand nowhere in the prompt. An
engine that constrains has no choice but to answer in them; one that lost the constraint on the way (a field
that the server no longer knows, a model that answers in another channel) cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from listeval.backends.protocol import Completion, Message, Prompt, Request, Sampling
from listeval.contract import Id, Item, KeyedList, Parsed, Record, Score
from listeval.decoding.constraint import Constraint
from listeval.decoding.promise import Promise
from listeval.decoding.vllm_payload import PROCESSOR
from listeval.errors import ExitCode, UserError

if TYPE_CHECKING:
    from listeval.backends.protocol import Backend
    from listeval.contract import Contract

IDS = ("zq-4817", "zq-1748", "zq-8471")
_ASKED = "Write one plain sentence about the sea. No lists, no brackets, no quotation marks."
_BUDGET = 96


class CanaryFailed(UserError):
    """The engine does not constrain: no row of the run could be trusted."""

    exit_code = ExitCode.CANARY_FAILED


class _Note(Item):
    id: Id
    score: Score


class Word(KeyedList[_Note]):
    """Three ids and nothing else: a schema without numbers, in which a small model might lose itself."""

    def json_schema(self) -> dict[str, Any]:
        size = len(self.ids)
        ids = {"type": "string", "enum": list(self.ids)}
        return {"type": "array", "items": ids, "minItems": size, "maxItems": size}


class Twice(Record[Any]):
    """A list that must hold one word two times and none twice: only an engine that drops `uniqueItems` can write it."""

    def __init__(self) -> None:
        super().__init__(_Note)

    def json_schema(self) -> dict[str, Any]:
        word = {"type": "string", "enum": [IDS[0]]}
        return {"type": "array", "items": word, "minItems": 2, "maxItems": 2, "uniqueItems": True}


def ask(backend: Backend, constraint: Constraint) -> dict[str, Any]:
    """Send the canary: `{"passed": bool, "why": str, "text": str, "finish_reason": str}`, for the manifest."""
    contract = (Word if constraint.kind == "schema" else KeyedList)(_Note, key="id", ids=IDS)
    completion = send(backend, contract, _ASKED)
    why = _fault(constraint, contract, completion)
    told = {"text": completion.text[:400], "finish_reason": completion.finish_reason}
    return {"passed": not why, "why": why, **told}


def send(backend: Backend, contract: Contract[Any], text: str) -> Completion:
    """The answer to one question under a contract, greedy; an engine's refusal is a failed completion."""
    messages = (Message("user", text),)
    prompt = backend.renderer.render(messages) if backend.renderer else Prompt(messages)
    request = Request("canary", "canary", prompt, Sampling(_BUDGET), 0, contract)
    answer = next(iter(backend.generate(iter([request]))), None)
    return answer or Completion.failed(request, "the engine ended without an answer")


def check(result: dict[str, Any], constraint: Constraint, backend: str) -> None:
    """Raises CanaryFailed for a canary that did not pass."""
    if not result["passed"]:
        cause = f"{constraint.kind} by {constraint.engine} does not hold: {result['why']}"
        fix = _FIXES.get((backend, constraint.engine), _FIX)
        if result["why"] == _THOUGHT and backend != "openai":
            fix = "add --no-thinking: a constrained answer cannot end the block that the prompt opens"
        raise CanaryFailed(cause, place=f"{backend} backend", fix=fix)


_THOUGHT = "the canary's answer came in the reasoning channel"
_FIX = "take another --engine or --backend, or --constraint none"
_FIXES = {
    ("openai", "own"): f"start the server with --logits-processors {PROCESSOR}",
    ("openai", "server"): "take a server that honours its documented field (vLLM 0.12 or later: structured_outputs; "
    "others: response_format json_schema), without a reasoning parser in the way",
}


def _fault(constraint: Constraint, contract: Contract[Any], completion: Completion) -> str:
    """Why the answer does not prove the constraint; empty where it does."""
    if completion.error is not None:
        return f"the engine refused the canary ({completion.error})"
    text = completion.text.strip()
    if not text and (completion.reasoning or "").strip():
        return _THOUGHT
    if completion.finish_reason == "length" and text.startswith(_BEGINNINGS[constraint.kind]):
        return ""  # No free answer begins like this; a small model may spend the budget inside a number.
    if constraint.kind == "schema":
        kept = not Promise("schema").broken(contract, text)
    else:
        kept = isinstance(contract.parse(text), Parsed)
    return "" if kept else f"the canary was answered with {text[:120]!r}"


_BEGINNINGS = {"schema": '["zq-', "permutation": '[{"id":"zq-', "scaffold": f'[{{"id":"{IDS[0]}'}
