"""What two frozen networks foretell: the untrained target's answers over λ, and p and b of the right symbol.

Greedy decoding from λ log p - (λ-1) log b, within the base's reach, is where a training that reached its target would
stand: the curve of `listeval probe --curve`, with its floor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from listopd.cliff.records import AnswerOutcome
from listopd.curve.locked import FLOOR
from listopd.lab.chance import generator
from listopd.lab.held_out import HeldOut, judge
from listopd.lab.lab_decode import greedy_target
from listopd.lab.lab_figures import class_name
from listopd.lab.language import LabAnswers, Language
from listopd.lab.network import Network
from listopd.objective.log_probs import log_probs
from listopd.threshold.closed_form import Floats, lambda_flips, sigmoid
from listopd.threshold.positions import RESOLUTION, Positions
from listopd.threshold.sequence import Aggregator, aggregate

_AGGREGATES: Mapping[str, Aggregator] = {"A": "max_of_prompt_mean", "B": "mean"}
"""The forms of λ*, and how the paper aggregates the positions for each."""
_WIDTH = 16


class SeparatorConfidence(NamedTuple):
    """Log-odds [N, K] of the right symbol at each separator of right answers, and p [N, S] at all of the scaffold."""

    separators: Floats
    scaffold: Floats


def target_curve(
    network: Network, teacher: Tensor, base: Tensor, asked: HeldOut, lams: Sequence[float]
) -> list[list[AnswerOutcome]]:
    """The outcomes of the held-out prompts at each λ, from weights [P]."""
    found = []
    prompts = asked.prompts.tokens.to(teacher.device)
    for start in range(0, len(lams), _WIDTH):
        some = torch.tensor(lams[start : start + _WIDTH], device=teacher.device)
        above, below = (flat.expand(len(some), -1) for flat in (teacher, base))
        answers = greedy_target(network, above, below, some, prompts.expand(len(some), -1, -1), floor=FLOOR)
        tokens, mask = answers.tokens.cpu(), answers.mask.cpu()
        found += [judge(network.language, asked, LabAnswers(*one)) for one in zip(tokens, mask, strict=True)]
    return found


@torch.no_grad()  # type: ignore[untyped-decorator]
def separator_confidence(network: Network, flat: Tensor, asked: HeldOut) -> SeparatorConfidence:
    """How sure the network with weights [P] is along right answers to the held-out prompts."""
    language = network.language
    right = language.answers(asked.prompts, generator("right answers", 0)).tokens
    tokens = torch.cat([asked.prompts.tokens, right], dim=-1).to(flat.device).unsqueeze(0)
    logits = network.logits(network.unpack(flat.unsqueeze(0)), tokens[..., :-1], language.prompt_length - 1)
    # Probabilities near 1 have no digits left in float32, log-odds do.
    rows = log_probs(logits).double().cpu()[0]
    logp = rows.gather(-1, right.unsqueeze(-1))
    rest = rows.scatter(-1, right.unsqueeze(-1), -torch.inf).logsumexp(-1)
    odds = (logp.squeeze(-1) - rest).numpy()
    separators = [language.separator(item) for item in range(1, language.items + 1)]
    return SeparatorConfidence(odds[:, separators], sigmoid(odds[:, _scaffold(language)]))


def _scaffold(language: Language) -> list[int]:
    """Places of an answer that are neither an id nor a score."""
    free = {
        language.separator(item) + 1 + at
        for item in range(language.items)
        for at in (*range(1, language.id_length + 1), language.id_length + 2)
    }
    return [at for at in range(language.answer_length) if at not in free]


def positions(teacher: SeparatorConfidence, base: SeparatorConfidence) -> Mapping[str, tuple[float, float]]:
    """p and b: "A" and "B" as the paper aggregates them, and of each separator, from the mean log-odds.

    A and B leave out where the teacher is not sure, as the paper does; they are absent where nothing is left.
    """
    prompts, places = teacher.scaffold.shape
    rows = Positions.of(np.arange(prompts).repeat(places), teacher.scaffold, base.scaffold).scaffold()
    found: dict[str, tuple[float, float]] = {}
    if len(rows):
        for name, aggregator in _AGGREGATES.items():
            p_all, b_all = aggregate(rows, aggregator)
            found[name] = (float(p_all[0]), float(b_all[0]))
    middle = (sigmoid(sure.separators.mean(0)) for sure in (teacher, base))
    for item, (p_item, b_item) in enumerate(zip(*middle, strict=True), start=1):
        found[class_name(item)] = (float(p_item), float(b_item))
    return found


def flips(teacher: SeparatorConfidence, base: SeparatorConfidence) -> Floats:
    """λ_flip [N, K] of each prompt and separator; infinite where nothing flips (`threshold.closed_form`)."""
    p, b = (sigmoid(sure.separators).clip(RESOLUTION, 1 - RESOLUTION) for sure in (teacher, base))
    return lambda_flips(p, b)
