"""What every stock engine speaks: a form is compiled once for a request, its matcher then follows the answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple, Protocol

from listeval.contract.schema_nodes import keywords, without
from listeval.decoding.constraint import Form, JsonForm
from listeval.errors import UserError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


class EngineVocabulary(NamedTuple):
    """What an engine compiles for. `size` is the width of the model's logits, `stops` the ids that end an answer."""

    tokenizer: PreTrainedTokenizerBase
    size: int
    stops: tuple[int, ...]


class Matcher(Protocol):
    """Follows one answer, token by token."""

    def fill(self, bits: torch.Tensor) -> None:
        """Set the bits of the tokens that may come next, clear all others.

        `bits` is one row of a mask: ceil(size / 32) int32 on the CPU, bit i % 32 of word i // 32 being token i.
        A stop token may come where the answer may end.
        """

    def accept(self, token: int) -> bool:
        """Take a token that is no stop token; False where it may not come, and then the matcher is done for."""


class Engine(Protocol):
    """A compiler for one vocabulary."""

    name: str

    def matcher(self, form: Form) -> Matcher:
        """A matcher at the start of an answer. Raises Unsupported for a form that the engine cannot take."""


class Unsupported(UserError):
    """An engine says itself that it cannot take a form."""


def refused(engine: str, form: Form, why: str, compile_: Callable[[Form], object] | None = None) -> Unsupported:
    """The error of a form that does not compile; for a schema it names the keyword without which it would.

    An engine's message may name none, or several, or the whole schema: so `compile_` is tried without each in turn.
    """
    why = " ".join(_ORIGIN.sub("", why).split())[:240]
    if not isinstance(form, JsonForm):
        return Unsupported(f"{engine} does not take this grammar: {why}", place="--engine", fix="take another engine")
    keyword = _culprit(form, compile_) if compile_ else None
    named = f"keyword '{keyword}'" if keyword else "this schema"
    cause = f"{engine} cannot take {named} of the contract: {why}"
    return Unsupported(cause, place="--engine", fix="take another engine, or change the contract")


_ORIGIN = re.compile(r"\[\d\d:\d\d:\d\d\]\s*|\S+\.(?:cc|cpp|rs):\d+:\s*|Check failed: \(.*?\) is false: ")
"""The clock and the engine's own source line, of no use to a reader."""

_STRUCTURE = frozenset(
    {"type", "properties", "items", "prefixItems", "anyOf", "oneOf", "allOf", "$ref", "$defs", "required", "enum"}
)
"""Keywords that take others with them when they go."""


def _culprit(form: JsonForm, compile_: Callable[[Form], object]) -> str | None:
    if _searching.get():
        return None
    token = _searching.set(True)
    try:
        for word in sorted(keywords(form.schema), key=lambda word: word in _STRUCTURE):
            with suppress(Exception):  # vLLM's forms raise what the bindings do
                compile_(form._replace(schema=without(form.schema, frozenset({word}))))
                return word
    finally:
        _searching.reset(token)
    return None


_searching: ContextVar[bool] = ContextVar("searching", default=False)
"""Whether a refusal comes from such a search, which needs no keyword of its own."""


def set_bits(bits: torch.Tensor, tokens: Sequence[int]) -> None:
    """Add tokens to a row of a mask."""
    words = bits.numpy().view("uint32")
    for token in tokens:
        words[token >> 5] |= 1 << (token & 31)


def has_bit(bits: torch.Tensor, token: int) -> bool:
    """Whether a row of a mask allows a token."""
    return bool(bits.numpy().view("uint32")[token >> 5] >> (token & 31) & 1)
