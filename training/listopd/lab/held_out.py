"""The lab's answers as text, judged by the harness' own contract: the kinds of failure are the harness'."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from listeval.contract import Failure, Item, KeyedList, Kind, Parsed
from listeval.scoring.ranking import ndcg
from listopd.cliff.records import AnswerOutcome
from listopd.lab.chance import generator
from listopd.lab.lab_decode import ended
from listopd.lab.language import KEY_NAME, LabAnswers, Language, Prompts

_EXAMPLE = 200


class ScoredItem(Item):
    """An object of the answer."""

    review_id: str
    score: int


Result = Parsed[list[ScoredItem]] | Failure


class HeldOut(NamedTuple):
    """Prompts that no training draws, their keys and their contracts."""

    prompts: Prompts
    keys: tuple[str, ...]
    contracts: tuple[KeyedList[ScoredItem], ...]


def held_out(language: Language, count: int) -> HeldOut:
    """The first `count` of the language's held-out prompts, always the same."""
    # One draw of its own a prompt, so that a larger number begins with the smaller one.
    parts = [language.prompts(1, generator("held out", 0, at)) for at in range(count)]
    prompts = Prompts(*(torch.cat(column) for column in zip(*parts, strict=True)))
    return HeldOut(prompts, tuple(f"p{at:04d}" for at in range(count)), contracts(language, prompts.tokens))


def contracts(language: Language, prompts: Tensor) -> tuple[KeyedList[ScoredItem], ...]:
    """The contract of each prompt [N, P]: one object an item, by its id."""
    items = [[language.text(code) for code in codes] for codes in language.codes(prompts).tolist()]
    return tuple(KeyedList(ScoredItem, key=KEY_NAME, ids=ids) for ids in items)


def parse(language: Language, asked: Sequence[KeyedList[ScoredItem]], answers: LabAnswers) -> list[Result]:
    """What the contract of each prompt says of its answer [N, L]; one that never ended was cut off by its length."""
    texts, whole = _texts(language, answers), ended(answers).tolist()
    pairs = zip(asked, texts, whole, strict=True)
    return [contract.parse(text, "stop" if stopped else "length") for contract, text, stopped in pairs]


def judge(language: Language, asked: HeldOut, answers: LabAnswers) -> list[AnswerOutcome]:
    """One outcome a prompt, from answers [N, L]."""
    results = parse(language, asked.contracts, answers)
    scores = np.full((len(results), language.items), np.nan)
    for at, result in enumerate(results):
        if not isinstance(result, Failure):
            by_id = {item.review_id: item.score for item in result.value}
            scores[at] = [by_id[name] for name in asked.contracts[at].ids]
    ranked = ndcg(asked.prompts.quality.numpy(), scores, 1).tolist()
    texts = _texts(language, answers)
    return [_outcome(*row) for row in zip(asked.keys, results, ranked, texts, strict=True)]


def _outcome(key: str, result: Result, ranked: float, text: str) -> AnswerOutcome:
    # A group without any quality has no better ranking, whatever the answer.
    useful = None if math.isnan(ranked) else ranked
    if isinstance(result, Failure):
        useful = None if useful is None else 0.0
        return AnswerOutcome(key, result.kind.value, result.fmc, useful, text[:_EXAMPLE])
    return AnswerOutcome(key, Kind.OK.value, useful=useful)


def tally(results: Sequence[Result]) -> dict[str, Any]:
    """Parse rate, FMC and kinds of failure of some results."""
    failed = [result for result in results if isinstance(result, Failure)]
    kinds = Counter(result.kind.value for result in failed)
    rates = {"parse_rate": 1 - len(failed) / len(results), "fmc": sum(x.fmc for x in failed) / len(results)}
    return {**rates, "kinds": dict(kinds)}


def _texts(language: Language, answers: LabAnswers) -> list[str]:
    return [language.text(row) for row in answers.tokens.tolist()]
