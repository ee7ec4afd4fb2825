"""llguidance: JSON Schema, Lark and regular expressions by derivatives and an Earley parser."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from listeval.decoding.constraint import Form, GrammarForm, JsonForm, RegexForm
from listeval.decoding.engines.engine_protocol import EngineVocabulary, refused
from listeval.decoding.engines.json_mode import json_mode
from listeval.decoding.engines.native_output import captured_native_output
from listeval.errors import UserError, first_line

if TYPE_CHECKING:
    import torch


class LLGuidance:
    """Compiles lazily: most of a grammar's cost comes with its masks."""

    name = "llguidance"

    def __init__(self, vocabulary: EngineVocabulary) -> None:
        from llguidance.hf import from_tokenizer

        try:
            self._tokenizer = from_tokenizer(
                vocabulary.tokenizer, n_vocab=vocabulary.size, eos_token=list(vocabulary.stops)
            )
        except ValueError as error:
            place = str(vocabulary.tokenizer.name_or_path)
            cause = f"llguidance cannot read the tokenizer: {first_line(error)}"
            raise UserError(cause, place=place, fix="--engine xgrammar") from error

    def matcher(self, form: Form) -> LLGuidanceMatcher:
        from llguidance import LLMatcher

        try:
            with captured_native_output():
                matcher = LLMatcher(self._tokenizer, _grammar(form), log_level=0)
                why = matcher.get_error() if matcher.is_error() else ""
        except Exception as error:  # the bindings raise whatever Rust panicked with
            raise refused(self.name, form, first_line(error), self.matcher) from error
        if why:
            raise refused(self.name, form, why, self.matcher)
        return LLGuidanceMatcher(matcher)


def _grammar(form: Form) -> str:
    from llguidance import LLMatcher

    if isinstance(form, JsonForm):
        told = json_mode("llguidance", form)
        assert isinstance(told, JsonForm), "llguidance takes its options inside the schema"
        return str(LLMatcher.grammar_from_json_schema(json.dumps(told.schema, ensure_ascii=False)))
    if isinstance(form, GrammarForm):
        return str(LLMatcher.grammar_from_lark(form.text))
    if isinstance(form, RegexForm):
        return str(LLMatcher.grammar_from_regex(form.pattern))
    raise TypeError("a form of another engine")


class LLGuidanceMatcher:
    """See `Matcher`."""

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher

    def fill(self, bits: torch.Tensor) -> None:
        self._matcher.unsafe_compute_mask_ptr(bits.data_ptr(), bits.numel() * bits.element_size())

    def accept(self, token: int) -> bool:
        return bool(self._matcher.consume_token(token))
