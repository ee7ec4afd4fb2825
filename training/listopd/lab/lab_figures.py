"""What the log says of a step of an arm: did the answers keep the contract, and where do student, teacher and base
stand at each separator?
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from listopd.lab.held_out import contracts, parse, tally
from listopd.lab.language import CLOSE, NEXT, LabAnswers, Language
from listopd.lab.losses import arm_means
from listopd.lab.training import LabStep
from listopd.objective.log_probs import log_probs


def class_name(item: int) -> str:
    """What the decision after the 1-based `item` is called."""
    return f"sep {item}"


def step_figures(language: Language, step: LabStep) -> list[dict[str, Any]]:
    """One line an arm: of its rollouts and, by class, the probabilities of the right symbol and how far the cap acted.

    Those are means over the rollouts that come to a separator where one is due; None where none does.
    """
    arms = len(step.prompts)
    student, teacher = log_probs(step.student), log_probs(step.teacher)
    divergence = (student.exp() * (student - teacher)).sum(-1)
    columns = {
        "reverse_kl": arm_means(divergence, step.answers.mask, arms),
        "clipped_all": arm_means(step.capped, step.answers.mask, arms),
        "grad_norm": step.norm,
    }
    common = [{name: _number(float(column[arm])) for name, column in columns.items()} for arm in range(arms)]
    by_class = _by_class(language, step)
    prompts, tokens, mask = step.prompts.cpu(), step.answers.tokens.cpu(), step.answers.mask.cpu()
    asked: dict[bytes, Any] = {}
    found = []
    for arm in range(arms):
        # All arms of a seed are asked the same.
        key = prompts[arm].numpy().tobytes()
        if key not in asked:
            asked[key] = contracts(language, prompts[arm])
        results = parse(language, asked[key], LabAnswers(tokens[arm], mask[arm]))
        found.append(tally(results) | common[arm] | by_class[arm])
    return found


def _by_class(language: Language, step: LabStep) -> list[dict[str, dict[str, float | None]]]:
    lines: list[dict[str, dict[str, float | None]]] = [
        {"p": {}, "b": {}, "theta": {}, "clipped": {}} for _ in step.prompts
    ]
    for item in range(1, language.items + 1):
        at = language.separator(item)
        right = NEXT if item < language.items else CLOSE
        met = step.answers.tokens[:, :, at]
        due = step.answers.mask[:, :, at] & ((met == NEXT) | (met == CLOSE))
        values = {
            "p": _chance(step.teacher[:, :, at], right),
            "b": _chance(step.base[:, :, at], right),
            "theta": _chance(step.student[:, :, at], right),
            "clipped": step.capped[:, :, at],
        }
        for name, value in values.items():
            for line, mean in zip(lines, arm_means(value, due, len(due)).tolist(), strict=True):
                line[name][class_name(item)] = _number(mean)
    return lines


def _chance(logits: Tensor, symbol: int) -> Tensor:
    return torch.softmax(logits.float(), dim=-1)[..., symbol]


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
