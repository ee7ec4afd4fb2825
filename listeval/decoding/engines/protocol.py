"""What every stock engine speaks: a form is compiled once for a request, its matcher then follows the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from listeval.decoding.constraint import Form, JsonForm
from listeval.errors import UserError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


class Vocabulary(NamedTuple):
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


def refused(engine: str, form: Form, why: str) -> Unsupported:
    """The error of a form that does not compile; for a schema it names the keyword that the engine objects to."""
    why = " ".join(why.split())[:240]
    if not isinstance(form, JsonForm):
        return Unsupported(f"{engine} does not take this grammar: {why}", place="--engine", fix="take another engine")
    keyword = next((word for word in keywords(form.schema) if word in why), None)
    named = f"keyword '{keyword}'" if keyword else "this schema"
    cause = f"{engine} cannot take {named} of the contract: {why}"
    return Unsupported(cause, place="--engine", fix="take another engine, or change the contract")


def keywords(schema: Any) -> list[str]:
    """The JSON Schema keywords that a schema uses, the longest first."""
    found: set[str] = set()

    def walk(node: Any, named: bool) -> None:
        if isinstance(node, list):
            for item in node:
                walk(item, False)
        elif isinstance(node, dict):
            for name, value in node.items():
                if not named:
                    found.add(name)
                if named or name not in ("enum", "const", "required"):
                    walk(value, not named and name in ("properties", "patternProperties", "$defs", "definitions"))

    walk(schema, False)
    return sorted(found, key=lambda word: (-len(word), word))


def set_bits(bits: torch.Tensor, tokens: Sequence[int]) -> None:
    """Add tokens to a row of a mask."""
    words = bits.numpy().view("uint32")
    for token in tokens:
        words[token >> 5] |= 1 << (token & 31)


def has_bit(bits: torch.Tensor, token: int) -> bool:
    """Whether a row of a mask allows a token."""
    return bool(bits.numpy().view("uint32")[token >> 5] >> (token & 31) & 1)
