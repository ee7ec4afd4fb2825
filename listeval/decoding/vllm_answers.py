"""The constrained answers of a vLLM engine, whichever of its model runners asks: what may come next, what was masked.

Imports torch at the top, but no vLLM: only processors inside an engine import this.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from logging import getLogger
from pathlib import Path
from typing import Any

import torch

from listeval.decoding.mass import MaskedMass
from listeval.decoding.permutation.automaton import Cursor, Permutation
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.restrict import restrict
from listeval.decoding.tokens.token_trie import Tokens, TokenTrie, as_tokens, trie_of
from listeval.decoding.vllm_payload import LEDGER, Payload
from listeval.errors import UserError

_log = getLogger("vllm.listeval")


@dataclass(slots=True)
class ConstrainedAnswer:
    """One constrained request. `outputs` are its tokens so far: the engine's own list, which grows, or ours."""

    cursor: Cursor | None
    stops: Tokens
    outputs: Sequence[int]
    tag: str
    budget: int
    seen: int = 0
    mass: MaskedMass = field(default_factory=MaskedMass)
    pending: float | None = None
    """The last step's log mass. It counts once its token is there: a prompt cut in chunks is masked in vain."""

    def allowed(self) -> Tokens:
        """Follow the tokens that came; what may come next. Fails closed: where it cannot be said, only the end."""
        if self.cursor is not None:
            try:
                self._follow(self.cursor)
            except ValueError as error:
                _log.error("a constrained answer is ended: %s", error)
                self.cursor = None
        if self.cursor is None or self.cursor.ended:
            return self.stops
        return self.cursor.allowed()

    def _follow(self, cursor: Cursor) -> None:
        new = self.outputs[self.seen :]
        for token in new:
            if token < 0:  # not yet copied from the device; only answers that nobody reads any more
                break
            self.seen += 1
            if not cursor.ended:
                cursor.advance(token)
        if new and self.pending is not None:
            self.mass.add(self.pending)

    @property
    def final(self) -> bool:
        """Whether no further step follows this one."""
        return self.cursor is None or self.cursor.complete or self.seen + 1 >= self.budget


class ConstrainedAnswers:
    """Makes answers of requests, and masks their rows.

    Masked mass is measured where $LISTEVAL_MASKED_MASS names a file.
    """

    def __init__(self, model_config: Any) -> None:
        self._model = model_config
        self._ledger = os.environ.get(LEDGER)

    def begin(self, payload: Payload, outputs: Sequence[int], budget: int | None) -> ConstrainedAnswer:
        """An answer at its first token."""
        cursor = None
        # A token beyond the logits would end the engine, and not this request alone.
        stops = tuple(stop for stop in payload.stops if stop < self._model.get_vocab_size())
        try:
            cursor = _permutation(payload.spec, self._trie(), stops).cursor()
        except UserError as error:
            _log.error("a constrained answer is ended: %s", error)
        # Without a stop token it runs to its budget, in a token whose repetition keeps no contract.
        return ConstrainedAnswer(cursor, as_tokens(stops or (0,)), outputs, payload.tag, budget or 1 << 62)

    def mask(self, logits: torch.Tensor, rows: Sequence[int], answers: Sequence[ConstrainedAnswer]) -> None:
        """Cut the rows of `answers` in `logits` [requests, vocabulary] down in place."""
        allowed = [answer.allowed() for answer in answers]
        masses = restrict(logits, rows, allowed, price=self._ledger is not None)
        for answer, log_mass in zip(answers, masses, strict=False):
            self._note(answer, log_mass)

    def _trie(self) -> TokenTrie:
        model = self._model
        size = model.get_vocab_size()
        return _load_trie(str(model.tokenizer), model.tokenizer_revision, model.trust_remote_code, size)

    def _note(self, answer: ConstrainedAnswer, log_mass: float) -> None:
        answer.pending = log_mass
        if self._ledger is None or not answer.final:
            return
        answer.mass.add(log_mass)
        line = json.dumps({"tag": answer.tag, **answer.mass.spec()}) + "\n"
        with Path(self._ledger).open("a", encoding="utf-8") as file:
            file.write(line)


@lru_cache(maxsize=256)
def _permutation(spec: PermutationSpec, trie: TokenTrie, stops: tuple[int, ...]) -> Permutation:
    """Shared by all answers to one request."""
    return Permutation(spec, trie, stops)


@lru_cache(maxsize=4)
def _load_trie(tokenizer: str, revision: str | None, trust: bool, size: int) -> TokenTrie:
    from transformers import AutoTokenizer

    return trie_of(AutoTokenizer.from_pretrained(tokenizer, revision=revision, trust_remote_code=trust), size)
