"""xgrammar: JSON Schema, EBNF and regular expressions as a pushdown automaton."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from listeval.decoding.constraint import Form, GrammarForm, JsonForm, RegexForm
from listeval.decoding.engines.engine_protocol import EngineVocabulary, refused
from listeval.decoding.engines.json_mode import json_mode
from listeval.decoding.engines.native_output import captured_native_output
from listeval.errors import first_line

if TYPE_CHECKING:
    import torch


class XGrammar:
    """One compiler, one thread: a compile is part of the answer's latency and is measured as such."""

    name = "xgrammar"

    def __init__(self, vocabulary: EngineVocabulary) -> None:
        import xgrammar

        info = xgrammar.TokenizerInfo.from_huggingface(
            vocabulary.tokenizer, vocab_size=vocabulary.size, stop_token_ids=list(vocabulary.stops)
        )
        self._compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)

    def matcher(self, form: Form) -> XGrammarMatcher:
        import xgrammar

        try:
            with captured_native_output():
                return XGrammarMatcher(xgrammar.GrammarMatcher(self._compile(form)))
        except Exception as error:  # the bindings raise whatever C++ threw
            raise refused(self.name, form, first_line(error), self.matcher) from error

    def _compile(self, form: Form) -> Any:
        told = json_mode("xgrammar", form) if isinstance(form, JsonForm) else form
        if isinstance(told, GrammarForm):
            return self._compiler.compile_grammar(told.text)
        if isinstance(form, RegexForm):
            return self._compiler.compile_regex(form.pattern)
        raise TypeError("a form of another engine")


class XGrammarMatcher:
    """See `Matcher`."""

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher

    def fill(self, bits: torch.Tensor) -> None:
        if not self._matcher.fill_next_token_bitmask(bits.unsqueeze(0), 0):
            bits.fill_(-1)

    def accept(self, token: int) -> bool:
        return bool(self._matcher.accept_token(token))
