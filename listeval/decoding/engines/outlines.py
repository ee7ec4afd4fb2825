"""outlines-core: JSON Schema and regular expressions as an index of every state's tokens, built before the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from listeval.decoding.constraint import Form, JsonForm, RegexForm
from listeval.decoding.engines.engine_protocol import EngineVocabulary, has_bit, refused, set_bits
from listeval.decoding.engines.json_mode import json_mode
from listeval.decoding.engines.native_output import captured_native_output
from listeval.decoding.tokens.token_bytes import token_bytes
from listeval.errors import first_line

if TYPE_CHECKING:
    import torch


class Outlines:
    """A schema becomes a regular expression; what the expression cannot say is lost without a word."""

    name = "outlines"

    def __init__(self, vocabulary: EngineVocabulary) -> None:
        from outlines_core import Vocabulary as Tokens

        self._stops = vocabulary.stops
        self._tokens = Tokens(vocabulary.stops[0], _by_text(vocabulary))

    def matcher(self, form: Form) -> OutlinesMatcher:
        from outlines_core import Guide, Index

        if not isinstance(form, JsonForm | RegexForm):
            raise refused(self.name, form, "it has no grammars")
        try:
            with captured_native_output():
                told = json_mode("outlines", form) if isinstance(form, JsonForm) else form
                assert isinstance(told, RegexForm), "outlines' JSON mode is an expression"
                return OutlinesMatcher(Guide(Index(told.pattern, self._tokens)), self._stops)
        except Exception as error:  # the bindings raise whatever Rust panicked with
            raise refused(self.name, form, first_line(error), self.matcher) from error


def _by_text(vocabulary: EngineVocabulary) -> dict[bytes, list[int]]:
    """Ids of the tokens by the bytes that they stand for; special tokens stand for none."""
    found: dict[bytes, list[int]] = {}
    for token, text in enumerate(token_bytes(vocabulary.tokenizer, vocabulary.size)):
        if text is not None and token not in vocabulary.stops:
            found.setdefault(text, []).append(token)
    return found


class OutlinesMatcher:
    """See `Matcher`. The guide knows one stop token; where that may come, all may."""

    def __init__(self, guide: Any, stops: tuple[int, ...]) -> None:
        self._guide, self._stops = guide, stops

    def fill(self, bits: torch.Tensor) -> None:
        bits.zero_()
        self._guide.write_mask_into(bits.data_ptr(), bits.numel(), bits.element_size())
        if has_bit(bits, self._stops[0]):
            set_bits(bits, self._stops)

    def accept(self, token: int) -> bool:
        try:
            self._guide.advance(token)
        except ValueError:
            return False
        return True
