"""Log-odds of character transitions, from one pass of a network over prompts with answers.

Everything is a difference of two log-sum-exps of fp32 logits, so no normaliser is needed and 1 - p keeps its precision
where p is 1 in floating point.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from listopd.batch import AnsweredPrompt, pad, passes
from listopd.probe.vocabulary import Split, Vocabulary
from listopd.probe.walk import StructuralStep
from listopd.score import Scorer
from listopd.threshold.closed_form import Floats

_TOKENS = 4096
"""Positions of one forward pass, padding counted."""


class StepQuestion(NamedTuple):
    """One step, as a question to the distribution of the answer's token `row`: what follows its first bytes?"""

    step: StructuralStep
    row: int
    written: bytes


class Odds(NamedTuple):
    """Of n steps, each (n,): ln(p / (1 - p)), and the share of probability that the step's own token leaves open."""

    log_odds: Floats
    undecided: Floats


def asked(tokens: Sequence[int], steps: Iterable[StructuralStep], texts: Sequence[bytes | None]) -> list[StepQuestion]:
    """The steps of an answer by the token that takes each; a stop token stands behind the last one.

    A stop that was due inside a token is left out: no vocabulary offers it there.
    """
    found, row, start = [], 0, 0
    ends = np.cumsum([len(texts[token] or b"") for token in tokens], dtype=np.int64).tolist()
    for step in steps:
        while row < len(tokens) and step.at >= ends[row]:
            start, row = ends[row], row + 1
        written = (texts[tokens[row]] or b"")[: step.at - start] if row < len(tokens) else b""
        if step.wanted or not written:
            found.append(StepQuestion(step, row, written))
    return found


def measure(
    network: Any,
    vocabulary: Vocabulary,
    answers: Sequence[AnsweredPrompt],
    steps: Sequence[Sequence[StepQuestion]],
    temperature: float = 1.0,
) -> list[Odds]:
    """The odds of each answer's steps under one network at a temperature, in order."""
    scorer = Scorer(network, temperature, vocabulary.size)
    found: dict[int, Odds] = {}
    with torch.inference_mode():
        for places in passes([len(answer) for answer in answers], _TOKENS):
            rows = scorer.states(pad([answers[i] for i in places], network.device))
            for place, states in zip(places, rows.split([len(answers[i].answer) for i in places]), strict=True):
                found[place] = odds(scorer.logits(states), vocabulary, steps[place])
    return [found[place] for place in range(len(answers))]


def odds(logits: torch.Tensor, vocabulary: Vocabulary, steps: Sequence[StepQuestion]) -> Odds:
    """The odds of steps from `logits` [answer tokens, V], fp32."""
    log_odds, undecided = np.empty(len(steps)), np.zeros(len(steps))
    for split, places in _groups(vocabulary, steps):
        rows = torch.tensor([steps[i].row for i in places], device=logits.device)
        wanted = _mass(logits, rows, split.wanted)
        other = _rest(logits, rows, split.wanted) if split.other is None else _mass(logits, rows, split.other)
        log_odds[places] = (wanted - other).cpu().numpy()
        if len(split.undecided):
            open_mass = _mass(logits, rows, split.undecided)
            undecided[places] = torch.sigmoid(open_mass - torch.logaddexp(wanted, other)).cpu().numpy()
    return Odds(log_odds, undecided)


def _groups(vocabulary: Vocabulary, steps: Sequence[StepQuestion]) -> Iterator[tuple[Split, list[int]]]:
    """Steps that split the vocabulary alike are summed together."""
    groups: dict[tuple[bytes, bytes], list[int]] = defaultdict(list)
    for place, (step, _, written) in enumerate(steps):
        groups[written, step.wanted].append(place)
    return ((vocabulary.split(*key), places) for key, places in groups.items())


def _mass(logits: torch.Tensor, rows: torch.Tensor, tokens: Any) -> torch.Tensor:
    """[rows], double: the log of the unnormalised probability of any of `tokens`; -inf for none."""
    columns = torch.as_tensor(tokens, device=logits.device)
    return logits[rows[:, None], columns].logsumexp(-1).double()


def _rest(logits: torch.Tensor, rows: torch.Tensor, tokens: Any) -> torch.Tensor:
    """As `_mass`, of every token but these."""
    columns = torch.as_tensor(tokens, device=logits.device)
    return logits[rows].index_fill_(1, columns, -torch.inf).logsumexp(-1).double()
