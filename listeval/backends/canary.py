"""The canary: a request that no free answer can satisfy, sent before a constrained run.

It asks for a sentence of prose, while its contract wants the shape of the task's own answers, with a mark in it that
stands nowhere in the prompt (`shape`). An engine that constrains has no choice but to answer in it; one that lost the
constraint on the way (a field that the server no longer knows, a model that answers in another channel) cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from listeval.backends.protocol import Completion, Message, Prompt, Request, Sampling
from listeval.contract import Id, Item, KeyedList, Parsed, Record
from listeval.decoding.constraint import Constraint
from listeval.decoding.engines.engine_protocol import Unsupported
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.promise import Promise
from listeval.decoding.proof.audit import UNIQUE
from listeval.decoding.proof.marked_schema import IDS, MARK, begins_marked, canary_contract
from listeval.decoding.proof.text_spacing import spacing_of
from listeval.decoding.refused_keywords import named
from listeval.decoding.vllm_payload import PROCESSOR
from listeval.errors import ExitCode, UserError

if TYPE_CHECKING:
    from listeval.backends.protocol import Backend
    from listeval.contract import Contract

_ASKED = "Write one plain sentence about the sea. No lists, no brackets, no quotation marks."
_BUDGET, _MOST = 96, 512


class CanaryFailed(UserError):
    """The engine does not constrain: no row of the run could be trusted."""

    exit_code = ExitCode.CANARY_FAILED


class _OneWord(Item):
    id: Id


class RepeatedWord(Record[Any]):
    """A list that must hold one word two times and none twice: only an engine that drops `uniqueItems` can write it.

    The list stands in an object, for servers that take no other root.
    """

    def __init__(self) -> None:
        super().__init__(_OneWord)

    def json_schema(self) -> dict[str, Any]:
        word = {"type": "string", "enum": [IDS[0]]}
        words = {"type": "array", "items": word, "minItems": 2, "maxItems": 2, "uniqueItems": True}
        required = {"type": "object", "properties": {MARK: words}, "required": [MARK]}
        return {**required, "additionalProperties": False}


def ask(
    backend: Backend, constraint: Constraint, contract: Contract[Any], ignored: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Send the canary in the shape of `contract`; what came of it, for the manifest.

    `ignored` are keywords that the engine was measured not to keep.

    `{"passed": bool, "why": str, "text": str, "finish_reason": str, "spacing": str, "sent": {...}}`: `spacing` is how
    the answer was spaced, `sent` what the server's ways made of the constraint (wrapped, keywords left out).
    """
    shape = canary_contract(contract)
    completion = send(backend, shape, _ASKED, _budget(constraint, shape))
    sent = _sent(backend)
    why = _fault(constraint, shape, completion, ignored.union(sent.get("left_out", ())))
    told = {"text": completion.text[:400], "finish_reason": completion.finish_reason}
    return {"passed": not why, "why": why, **told, "spacing": spacing_of(completion.text), "sent": sent}


def _budget(constraint: Constraint, shape: Contract[Any]) -> int:
    if constraint.kind == "schema" or not isinstance(shape, KeyedList):
        return _BUDGET
    return max(_BUDGET, min(_MOST, PermutationSpec.of(shape, constraint.spacing).longest_answer()))


def _sent(backend: Backend) -> dict[str, Any]:
    found = backend.settings().get("constraint")
    told = found if isinstance(found, dict) else {}
    return {name: told[name] for name in ("field", "wrapped", "left_out") if told.get(name)}


def send(backend: Backend, contract: Contract[Any], text: str, budget: int = _BUDGET) -> Completion:
    """The answer to one question under a contract, greedy; an engine's refusal is a failed completion."""
    messages = (Message("user", text),)
    prompt = backend.renderer.render(messages) if backend.renderer else Prompt(messages)
    request = Request("canary", "canary", prompt, Sampling(budget), 0, contract)
    answer = next(iter(backend.generate(iter([request]))), None)
    return answer or Completion.failed(request, "the engine ended without an answer")


def check(result: dict[str, Any], constraint: Constraint, backend: str) -> None:
    """Raises CanaryFailed for a canary that did not pass."""
    if not result["passed"]:
        cause = f"{constraint.kind} by {constraint.engine} does not hold: {result['why']}"
        fix = _FIXES.get((backend, constraint.engine), _FIX)
        if result["why"].startswith("the server refuses the schema's keyword"):
            fix = "a contract without it, a server that takes it (vLLM does), or --constraint none"
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


def _fault(constraint: Constraint, shape: Contract[Any], completion: Completion, left_out: frozenset[str]) -> str:
    """Why the answer does not prove the constraint; empty where it does."""
    if completion.error is not None:
        keyword = named(shape.json_schema(), completion.error) if constraint.engine == "server" else None
        what = f"the server refuses the schema's keyword '{keyword}'" if keyword else "the engine refused the canary"
        return f"{what} ({completion.error})"
    text = completion.text.strip()
    if not text and (completion.reasoning or "").strip():
        return _THOUGHT
    kept = begins_marked(text, shape)
    # No free answer begins like this; a small model may spend the budget inside a text.
    if kept and completion.finish_reason != "length":
        if constraint.kind == "schema":
            kept = not Promise("schema", left_out).broken(shape, text)
        else:
            kept = isinstance(shape.parse(text), Parsed)
    return "" if kept else f"the canary was answered with {text[:120]!r}"


def ask_unique(backend: Backend) -> str:
    """What a backend makes of a request that no engine which keeps `uniqueItems` could answer.

    `ignored`, `refused`, or `kept` where the answer is anything but two times the same.
    """
    contract = RepeatedWord()
    try:
        answer = send(backend, contract, "Name one thing that floats.")
    except Unsupported:
        return "refused"
    if answer.error is not None:
        return "refused"
    return "ignored" if not Promise("schema", frozenset({UNIQUE})).broken(contract, answer.text) else "kept"
