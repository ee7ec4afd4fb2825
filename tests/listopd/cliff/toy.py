"""A runner without networks: an arm's answers are drawn from a known curve, and its steps are lines of a file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from listeval.errors import UserError
from listopd.cliff.arms import ArmSpec, ExpectedCost, PairForecast, StudyPair, Tell
from listopd.cliff.records import AnswerOutcome, begin, finish, is_done, log_file, read_log, write_outcomes

PROMPTS = 40
Curve = Callable[[ArmSpec, int], float]
"""The parse rate of an arm after so many steps."""


def falls_at(midpoint: float, width: float = 0.02, high: float = 0.97, low: float = 0.02) -> Curve:
    """A cliff."""
    return lambda arm, steps: low + (high - low) * (1 - math.tanh((arm.lam - midpoint) / width / 2)) / 2


def stays(rate: float) -> Curve:
    """None."""
    return lambda arm, steps: rate


class Toy:
    """`foretold` is where the target curve falls, `base` its rate below λ = 1, `fails` the kind of failed answers."""

    def __init__(
        self,
        curve: Curve | Mapping[str, Curve],
        *,
        foretold: float = 1.15,
        base: float | None = None,
        fails: str = "missing_id",
        theta: Callable[[ArmSpec, int], float] | None = None,
        data: str = "data",
        stop_after: int | None = None,
        seconds: float | None = None,
    ) -> None:
        self.curve, self.foretold, self.fails, self.theta, self.data = curve, foretold, fails, theta, data
        self.stop_after, self.base, self.seconds = stop_after, base, seconds
        self.trained = 0

    def check(self, arms: Sequence[ArmSpec]) -> None:
        if any(arm.method == "aspo" for arm in arms):
            raise UserError("the toy has no aspo")

    def inputs(self, arms: Sequence[ArmSpec]) -> Mapping[str, str]:
        return {"data": self.data} | {f"part {arm.part}": "as it is" for arm in arms}

    def cost(self, arms: Sequence[ArmSpec]) -> ExpectedCost:
        return ExpectedCost(float(sum(arm.steps for arm in arms)), "a second a step")

    def foretell(self, pair: StudyPair, lams: Sequence[float]) -> PairForecast:
        fall = falls_at(self.foretold, 1e-4, 1.0, 0.0)
        arms = [ArmSpec("", pair, "listopd", lam, math.inf, 1.0, 0, 1, (1,)) for lam in lams]
        rates = [self.base if arm.lam < 1 and self.base is not None else fall(arm, 1) for arm in arms]
        told = tuple(tuple(self.answers(arm, rate, "curve")) for arm, rate in zip(arms, rates, strict=True))
        return PairForecast(tuple(lams), told, {"A": (0.999, 0.9), "B": (0.99, 0.8), "sep 4": (0.7, 0.99)})

    def run(self, arms: Sequence[ArmSpec], out: Path, tell: Tell) -> None:
        for arm in arms:
            if not is_done(out / arm.id, arm):
                self._run(arm, out / arm.id, tell)

    def _run(self, arm: ArmSpec, folder: Path, tell: Tell) -> None:
        begin(folder, arm)
        done = len(read_log(folder))
        curve = self.curve[arm.part] if isinstance(self.curve, Mapping) else self.curve
        for step in range(done + 1, arm.steps + 1):
            if self.trained == self.stop_after:
                raise KeyboardInterrupt
            with log_file(folder).open("a") as stream:
                stream.write(json.dumps(self._step(arm, step)) + "\n")
            self.trained += 1
            tell(1, arm.id)
        for budget in arm.budgets:
            write_outcomes(folder, budget, self.answers(arm, curve(arm, budget), f"{arm.seed}/{budget}"))
        finish(folder, arm, {"runner": "toy", "device": "none"})

    def _step(self, arm: ArmSpec, step: int) -> dict[str, Any]:
        theta = {} if self.theta is None else {"sep 4": self.theta(arm, step)}
        return {
            "step": step, "parse_rate": 0.9, "fmc": 0.1, "reverse_kl": 1 / step, "theta": theta,
            "p": {"sep 4": 0.99}, "b": {"sep 4": 0.8}, "clipped_teacher_ratio": 0.01, "seconds": self.seconds,
        }  # fmt: skip

    def answers(self, arm: ArmSpec, rate: float, salt: str) -> list[AnswerOutcome]:
        draws = Random(f"{salt}/{arm.lam}")
        found = []
        for prompt in range(PROMPTS):
            parsed = draws.random() < rate
            kind = "ok" if parsed else self.fails
            found.append(AnswerOutcome(f"p{prompt}", kind, kind == "missing_id", 0.8 if parsed else 0.0))
        return found
