"""Scaffolds on transformers: fixed text is appended to the cache in one forward pass, only numbers are decoded.

A pass feeds each row what it has to write: a token inside a number, or everything up to the next number. While any
row is inside a number the others wait, so that the fixed texts of a batch go through together. Columns in which a
row has nothing to feed are masked for good, as padding is.

Imports torch at the top: only the hf adapter may import this module, and only inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from inspect import signature
from itertools import pairwise
from typing import Any

import torch

from listeval.decoding.mass import MaskedMass
from listeval.decoding.restrict import restrict
from listeval.decoding.scaffold.blank import Blank, Choice, choice
from listeval.decoding.scaffold.scaffold_spec import Scaffold
from listeval.decoding.scaffold.tokens import spelled, spelled_bytes
from listeval.decoding.spacing import WHITESPACE
from listeval.decoding.tokens.token_trie import TokenTrie

Sampler = Callable[[torch.Tensor, Sequence[int]], torch.Tensor]
"""Scores of some rows, and which: what to take the argmax of."""


@dataclass(slots=True)
class ScaffoldAnswer:
    """One row: `texts[0] blanks[0] texts[1] ...`. `pending` is written but not yet fed; `tokens` are all written."""

    blanks: tuple[Blank, ...]
    texts: tuple[list[int], ...]
    pending: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    number: int = 0
    state: int = 0
    inside: bool = False
    mass: MaskedMass = field(default_factory=MaskedMass)

    def write(self, tokens: Sequence[int]) -> None:
        """Add tokens to the answer, to be fed."""
        self.tokens += tokens
        self.pending += tokens

    @property
    def done(self) -> bool:
        """Whether the last number is written."""
        return self.number == len(self.blanks)

    def choice(self, trie: TokenTrie) -> Choice:
        """What may come in the number that the row is in."""
        return choice(trie, self.blanks[self.number], self.state)

    def take(self, token: int, trie: TokenTrie) -> None:
        """Write the token that was chosen; at a number's end with the text after it."""
        step = self.choice(trie).after(token)
        self.inside = step.state is not None
        if step.state is not None:
            self.state = step.state
            self.write([*spelled_bytes(step.lead, trie), token])
            return
        self.write(spelled_bytes(step.lead + step.letters, trie))
        self.number += 1
        self.enter()

    def enter(self) -> None:
        """Write the text before the next number, or the last one."""
        self.write(self.texts[self.number])
        self.state = 0 if self.done else self.blanks[self.number].start


class Feeder:
    """A network with its cache. `passes` counts forward passes."""

    def __init__(self, network: Any) -> None:
        self._network, self._cache = network, None
        self._mask: torch.Tensor | None = None
        self._options = {"logits_to_keep": 1} if "logits_to_keep" in signature(network.forward).parameters else {}
        self.passes = 0

    def feed(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Feed each row's tokens (none to some rows); logits after the last, (rows, vocabulary) fp32."""
        device, width = self._network.device, max(map(len, rows))
        ids = torch.tensor([[0] * (width - len(row)) + list(row) for row in rows], device=device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
        self._mask = mask if self._mask is None else torch.cat([self._mask, mask], dim=1)
        places = (self._mask.cumsum(1) - 1).clamp_min(0)[:, -width:]
        output = self._network(
            input_ids=ids,
            attention_mask=self._mask,
            position_ids=places,
            past_key_values=self._cache,
            use_cache=True,
            **self._options,
        )
        self._cache = output.past_key_values
        self.passes += 1
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits


def start(scaffold: Scaffold, tokenizer: Any, trie: TokenTrie) -> ScaffoldAnswer:
    """A row of which the first text is written. Raises UserError for text that the vocabulary cannot spell."""
    ends = pairwise(scaffold.texts)
    blanks = tuple(
        Blank.between(text, form, after, scaffold.spacing, trie)
        for (text, after), form in zip(ends, scaffold.numbers, strict=True)
    )
    texts = (
        text.rstrip(WHITESPACE) if blank is not None and blank.lead else text
        for text, blank in zip(scaffold.texts, [*blanks, None], strict=True)
    )
    answer = ScaffoldAnswer(blanks, tuple(spelled(text, tokenizer, trie) for text in texts))
    answer.enter()
    return answer


def decode(
    answers: Sequence[ScaffoldAnswer],
    feeder: Feeder,
    trie: TokenTrie,
    sampler: Sampler | None = None,
    between: Callable[[], None] = lambda: None,
) -> None:
    """Write every answer to its end. `between` is called before each pass and may raise to give up."""
    while live := [row for row, answer in enumerate(answers) if not answer.done]:
        between()
        turn = [row for row in live if answers[row].inside] or live
        chunks: list[list[int]] = [[] for _ in answers]
        for row in turn:
            chunks[row], answers[row].pending = answers[row].pending, []
        logits = feeder.feed(chunks)
        allowed = [answers[row].choice(trie).tokens for row in turn]
        for row, log_mass in zip(turn, restrict(logits, turn, allowed, price=True), strict=True):
            answers[row].mass.add(log_mass)
        scores = logits[turn]
        if sampler is not None:
            scores = sampler(scores, turn)
        for row, token in zip(turn, scores.argmax(-1).tolist(), strict=True):
            answers[row].take(token, trie)
