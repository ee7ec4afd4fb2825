"""The exact permutation inside a vLLM engine: in process, in an engine process of its own, or served.

Give the engine `logits_processors=[vllm_payload.PROCESSOR]` and a request
`SamplingParams(extra_args={KEY: Payload(...).text()})`; a server takes the same in `vllm_xargs`.
Requests without a payload are not constrained. A request whose spec the tokenizer cannot spell must
be refused before it comes here (build its `Permutation`); here it may only end at once, since an
engine has no way to fail one request of a batch, and going on unconstrained would be a lie.

Written for the interface of vLLM's V1 model runner; a release that defaults to the V2 runner takes it
with VLLM_USE_V2_MODEL_RUNNER=0. Imports vLLM at the top: only an engine imports this module.
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
from vllm.v1.sample.logits_processor import LogitsProcessor

from listeval.decoding.mass import MaskedMass
from listeval.decoding.permutation.automaton import Cursor, Permutation
from listeval.decoding.permutation.spec import PermutationSpec
from listeval.decoding.restrict import restrict
from listeval.decoding.tokens.token_trie import Tokens, TokenTrie, as_tokens, trie_of
from listeval.decoding.vllm_payload import LEDGER, Payload, read_payload
from listeval.errors import UserError

_log = getLogger("vllm.listeval")


@dataclass(slots=True)
class _Answer:
    """One constrained request. `outputs` is the engine's own list of its tokens, which grows."""

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


class PermutationProcessor(LogitsProcessor):  # type: ignore[misc]
    """Masks the rows of constrained requests. Masked mass is measured where $LISTEVAL_MASKED_MASS names a file."""

    def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:
        self._model = vllm_config.model_config
        self._answers: dict[int, _Answer] = {}
        self._ledger = os.environ.get(LEDGER)

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """Raises ValueError for a broken payload, which vLLM answers with an error of that request alone."""
        try:
            read_payload(sampling_params.extra_args)
        except UserError as error:
            raise ValueError(str(error)) from error

    def is_argmax_invariant(self) -> bool:
        """False: greedy requests need it most."""
        return False

    def update_state(self, batch_update: Any) -> None:
        """Follow the batch: removed, added, moved, in vLLM's order."""
        if batch_update is None:
            return
        answers = self._answers
        for row in batch_update.removed:
            answers.pop(row, None)
        for row, params, _, outputs in batch_update.added:
            answers.pop(row, None)
            if (payload := read_payload(params.extra_args)) is not None:
                answers[row] = self._answer(payload, outputs, params.max_tokens)
        for source, target, direction in batch_update.moved:
            moved, displaced = answers.pop(source, None), answers.pop(target, None)
            if moved is not None:
                answers[target] = moved
            if displaced is not None and direction.name == "SWAP":
                answers[source] = displaced

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """`logits` is [requests, vocabulary]; constrained rows are cut down in place."""
        # Masked here and not in `update_state`: only now are the last tokens sure to be in the engine's lists.
        rows = list(self._answers)
        allowed = [self._answers[row].allowed() for row in rows]
        masses = restrict(logits, rows, allowed, price=self._ledger is not None)
        for row, log_mass in zip(rows, masses, strict=False):
            self._note(self._answers[row], log_mass)
        return logits

    def _answer(self, payload: Payload, outputs: Sequence[int], budget: int | None) -> _Answer:
        cursor = None
        # A token beyond the logits would end the engine, and not this request alone.
        stops = tuple(stop for stop in payload.stops if stop < self._model.get_vocab_size())
        try:
            cursor = _permutation(payload.spec, self._trie(), stops).cursor()
        except UserError as error:
            _log.error("a constrained answer is ended: %s", error)
        # Without a stop token it runs to its budget, in a token whose repetition keeps no contract.
        return _Answer(cursor, as_tokens(stops or (0,)), outputs, payload.tag, budget or 1 << 62)

    def _trie(self) -> TokenTrie:
        model = self._model
        size = model.get_vocab_size()
        return _load_trie(str(model.tokenizer), model.tokenizer_revision, model.trust_remote_code, size)

    def _note(self, answer: _Answer, log_mass: float) -> None:
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
