"""The floor of the target curve against the laboratory: how rare may a flip's token be, and does training find it?

Pairs of the tiny list language (`listopd.lab`). *flip*: the teacher ends 31 % of its answers one item early, the base a
share that falls from 3 % to 0.1 %, so the base is surer of the last comma, and the smaller the share the rarer is the
token that a flip is about. *sure*: the teacher is right, the base has other weights and ends many answers early, so
p > b. For each pair the untrained target at several floors stands beside students trained at the same λ.

    OMP_NUM_THREADS=1 python -m benchmarks.floor_lab --out runs/floor-lab.jsonl         # half an hour on one idle core

One line a pair and method; `listopd.curve.locked` says what followed.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from listopd.curve.target import TargetArm, target_scores
from listopd.lab.held_out import HeldOut, held_out, judge
from listopd.lab.lab_decode import greedy
from listopd.lab.lab_target import separator_confidence
from listopd.lab.language import PAD, LabAnswers, Language, mask_of
from listopd.lab.network import Cache, Network, Sizes
from listopd.lab.starts import Phase, supervise
from listopd.lab.training import ArmStack, Shape, TrainingSettings
from listopd.objective.log_probs import log_probs

FLOORS = (0.0, 1e-2, 3e-3, 1e-3, 3e-4, 2e-4, 1e-4)
PROMPTS = 200


class Case(NamedTuple):
    """A kind of pair, how often its base ends early, and the trainings to compare with."""

    kind: str
    early: float
    lams: tuple[float, ...]
    lr: float


CASES = (
    *(Case("flip", early, (1.0, 1.05, 1.1, 1.15, 1.2, 1.3, 1.5), 5e-4) for early in (0.03, 0.01, 0.003, 0.001)),
    *(Case("sure", early, (1.0, 1.5, 2.0, 2.5, 3.0, 5.0), 2e-3) for early in (0.5, 0.05)),
)


def main() -> None:
    """Every case, its curves and its students."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/floor-lab.jsonl"))
    parser.add_argument("--steps", type=int, nargs="+", default=[70, 140])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    network = Network(Language(), Sizes())
    asked = held_out(network.language, PROMPTS)
    right = supervise(network, network.initial(0).unsqueeze(0), [Phase(350, 48, 5e-3, cosine=True)], "teacher", [0])
    for case in CASES:
        teacher, base = _pair(network, case, right)
        curves = {f"{floor:g}": _curve(network, asked, teacher, base, case.lams, floor) for floor in FLOORS}
        going_on = separator_confidence(network, base[0], asked).separators[:, network.language.items - 2]
        for method in ("listopd", "exact"):
            for seed in options.seeds:
                trained = _trained(network, asked, case, teacher, base, method, seed, options.steps)
                line = case._asdict() | {"method": method, "seed": seed, "curves": curves, "trained": trained}
                line["rare"] = (1 / (1 + torch.tensor(going_on).exp())).median().item()
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                print(json.dumps(line), flush=True)


def _pair(network: Network, case: Case, right: Tensor) -> tuple[Tensor, Tensor]:
    """Teacher and base, [1, P] each."""
    if case.kind == "flip":
        teacher = supervise(network, right, [Phase(100, 48, 1e-3, early=0.31)], "T_flip", [0])
        return teacher, supervise(network, right, [Phase(80, 48, 5e-4, early=case.early)], "base", [1])
    phases = [Phase(200, 32, 5e-3, early=0.2), Phase(60, 32, 1e-3, early=case.early)]
    return right, supervise(network, network.initial(11).unsqueeze(0), phases, "half", [1])


def _curve(
    network: Network, asked: HeldOut, teacher: Tensor, base: Tensor, lams: Sequence[float], floor: float
) -> list[float]:
    """The untrained target's parse rate at each λ."""
    return [_parsed(network, asked, _decoded(network, asked, teacher, base, TargetArm(lam, floor))) for lam in lams]


def _decoded(network: Network, asked: HeldOut, teacher: Tensor, base: Tensor, arm: TargetArm) -> LabAnswers:
    prompts = asked.prompts.tokens.unsqueeze(0)
    caches = [Cache(network, flat, len(asked.keys)) for flat in (teacher, base)]
    seen = [cache.read(prompts) for cache in caches]
    written: list[Tensor] = []
    while len(written) < network.language.answer_length:
        p, b = (log_probs(logits)[0].double() for logits in seen)
        written.append(target_scores(p, b, arm).argmax(-1))
        if len(written) < network.language.answer_length:
            seen = [cache.read(written[-1].view(1, -1, 1)) for cache in caches]
    tokens = torch.stack(written, dim=-1)
    return LabAnswers(tokens.masked_fill(~mask_of(tokens), PAD), mask_of(tokens))


def _trained(
    network: Network,
    asked: HeldOut,
    case: Case,
    teacher: Tensor,
    base: Tensor,
    method: str,
    seed: int,
    budgets: Sequence[int],
) -> dict[str, Any]:
    """The students' parse rates at each λ, by budget in steps of 32 rollouts."""
    knobs = [TrainingSettings(lam, math.inf, case.lr, seed) for lam in case.lams]
    many = [flat.expand(len(knobs), -1) for flat in (base, teacher, base)]
    stack = ArmStack(network, Shape(method, 32, 1), knobs, many[0].clone(), many[1], many[2])
    found: dict[str, Any] = {}
    for step in range(1, max(budgets) + 1):
        stack.step()
        if step in budgets:
            prompts = asked.prompts.tokens.expand(len(knobs), -1, -1)
            answers = greedy(network, stack.weights, prompts)
            each = zip(answers.tokens, answers.mask, strict=True)
            found[str(step)] = [_parsed(network, asked, LabAnswers(*one)) for one in each]
    return found


def _parsed(network: Network, asked: HeldOut, answers: LabAnswers) -> float:
    return sum(outcome.kind == "ok" for outcome in judge(network.language, asked, answers)) / len(asked.keys)


if __name__ == "__main__":
    main()
