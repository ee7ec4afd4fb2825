"""The tiny list language: a prompt names K items by id and word, the answer is the JSON list that scores each of them.

A word stands for a quality from 0 to 9, and the score that an answer gives is that quality with some noise. The pieces
of JSON are one symbol each, so a network of two layers learns the contract in some hundred steps; the symbols spell
real text, which the harness' own contract judges.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from listeval.errors import UserError

PAD, START, END, OPEN, KEY, SCORE, NEXT, CLOSE, SEMICOLON = range(9)
"""The symbols before digits, words and ids. NEXT goes on to another item, CLOSE ends the list."""
KEY_NAME = "review_id"
_TEXT = ("", "", "", "[", f'{{"{KEY_NAME}": "', '", "score": ', "}, ", "}]", " ; ")
_DIGIT, _WORD, _ID = 9, 19, 29
_QUALITIES, _LETTERS, _MOST_CODES = 10, 26, 100_000
_NOISE = 0.15
"""How often a score is one above, and how often one below, the quality of its item."""


class Prompts(NamedTuple):
    """`tokens` [N, P]; `codes` [N, K, id_length] are the items' ids as symbols, `quality` [N, K] from 0 to 9."""

    tokens: Tensor
    codes: Tensor
    quality: Tensor


class LabAnswers(NamedTuple):
    """`tokens` [N, L], PAD after the end, and `mask` [N, L], true up to the END."""

    tokens: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Language:
    """Sizes: `items` K, `ids` symbols that ids are made of, `id_length` of them an id, `words` an item in the prompt.

    Only the first word of an item tells its quality; the others lengthen the prompt. Raises UserError for sizes in
    which no K different ids exist.
    """

    items: int = 5
    ids: int = 24
    id_length: int = 1
    words: int = 1

    def __post_init__(self) -> None:
        sizes = (self.items, self.ids, self.id_length, self.words)
        if min(sizes) < 1 or self.items < 2 or self.ids > _LETTERS**2:
            raise UserError(f"a list language cannot have the sizes {sizes}", fix="2 items or more, and 1 or more ids")
        if not self.items <= self.ids**self.id_length <= _MOST_CODES:
            cause = f"{self.ids} symbols in ids of {self.id_length} give {self.ids**self.id_length:,} ids"
            raise UserError(cause, fix=f"choose them so that there are {self.items} to {_MOST_CODES:,}")

    @property
    def symbols(self) -> int:
        """How many symbols there are."""
        return _ID + self.ids

    @property
    def prompt_length(self) -> int:
        """Symbols of every prompt: the start, and ids, words and a semicolon for each item."""
        return 1 + self.items * (self.id_length + self.words + 1)

    @property
    def item_length(self) -> int:
        """Symbols of an item in an answer, its separator included."""
        return self.id_length + 4

    @property
    def answer_length(self) -> int:
        """Symbols of a whole answer with its END, and the most that are ever sampled."""
        return 2 + self.items * self.item_length

    def separator(self, item: int) -> int:
        """Where in an answer it is decided whether the list goes on after the 1-based `item`."""
        return item * self.item_length

    @property
    def binding(self) -> int:
        """The separator after item K - 1: a CLOSE there is the failure that the paper calls FMC."""
        return self.separator(self.items - 1)

    def prompts(self, count: int, chance: torch.Generator) -> Prompts:
        """`count` prompts of different ids."""
        codes = self._codes(count, chance)
        quality = torch.randint(_QUALITIES, (count, self.items), generator=chance)
        fillers = torch.randint(_QUALITIES, (count, self.items, self.words - 1), generator=chance)
        words = torch.cat([quality.unsqueeze(-1), fillers], dim=-1) + _WORD
        stops = torch.full((count, self.items, 1), SEMICOLON)
        starts = torch.full((count, 1), START)
        items = torch.cat([codes, words, stops], dim=-1)
        return Prompts(torch.cat([starts, items.flatten(1)], dim=1), codes, quality)

    def _codes(self, count: int, chance: torch.Generator) -> Tensor:
        keys = torch.rand(count, self.ids**self.id_length, generator=chance)
        number = keys.topk(self.items, dim=-1).indices
        places = [number // self.ids**place % self.ids for place in reversed(range(self.id_length))]
        return torch.stack(places, dim=-1) + _ID

    def codes(self, prompts: Tensor) -> Tensor:
        """The ids [N, K, id_length] that prompts [N, P] name."""
        return prompts[:, 1:].reshape(len(prompts), self.items, -1)[:, :, : self.id_length]

    def answers(self, prompts: Prompts, chance: torch.Generator, early: float = 0.0) -> LabAnswers:
        """Right answers, but for a part `early` of them, which lack the last item."""
        count = len(prompts.tokens)
        drawn = torch.rand(count, self.items, generator=chance)
        noise = (drawn < _NOISE).long() - (drawn > 1 - _NOISE).long()
        scores = (prompts.quality + noise).clamp(0, _QUALITIES - 1).unsqueeze(-1) + _DIGIT
        key, score, following = (torch.full((count, self.items, 1), s) for s in (KEY, SCORE, NEXT))
        items = torch.cat([key, prompts.codes, score, scores, following], dim=-1).flatten(1)
        ends = torch.full((count, 1), END)
        tokens = torch.cat([torch.full((count, 1), OPEN), items, ends], dim=1)
        short = torch.rand(count, generator=chance) < early
        last = torch.where(short, self.binding, self.separator(self.items)).unsqueeze(-1)
        place = torch.arange(self.answer_length)
        tokens = torch.where(place == last, CLOSE, torch.where(place == last + 1, END, tokens))
        mask = place <= last + 1
        return LabAnswers(torch.where(mask, tokens, PAD), mask)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """What each symbol writes; ids have pieces of equal width, so that no two spell the same."""
        letters = "abcdefghijklmnopqrstuvwxyz"
        pieces = [letters[n // _LETTERS] + letters[n % _LETTERS] for n in range(self.ids)]
        digits = [str(n) for n in range(_QUALITIES)]
        return (*_TEXT, *digits, *(f" w{n}" for n in digits), *pieces)

    def text(self, tokens: list[int]) -> str:
        """The text of symbols."""
        return "".join(self.texts[token] for token in tokens)


def mask_of(answers: Tensor) -> Tensor:
    """True up to and with the first END of each answer [..., L]; everywhere where there is none."""
    ended = (answers == END).long()
    return (ended.cumsum(-1) - ended) == 0
