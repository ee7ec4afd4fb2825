"""What a target curve is: points over λ, the cliff if there is one, what breaks first, and how far λ may go."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from listeval.stats.intervals import Interval
from listopd.curve.breaks import Break
from listopd.estimates import Cliff, Outcomes
from listopd.tokens import TokenClass


class TargetPoint(NamedTuple):
    """The untrained target's greedy answers at one λ, as the task's contract and metrics judge them."""

    lam: float
    n: int
    """Answers judged."""
    metrics: Mapping[str, Interval]
    """`parse_rate` and `fmc`, then the task's metrics and their useful forms, as in a run's summary."""
    kinds: Mapping[str, int]
    """How answers keep or break the contract; kinds without an answer are left out."""

    @property
    def parse_rate(self) -> Interval:
        """How many keep the contract."""
        return self.metrics["parse_rate"]


class SelfTest(NamedTuple):
    """λ = 0 and λ = 1 against the two models' own greedy answers: prompts, and how many answers are the same tokens."""

    prompts: int
    base: int
    teacher: int
    base_parsed: tuple[int, int]
    teacher_parsed: tuple[int, int]
    """Answers that keep the contract: from the curve, from the model itself."""

    @property
    def held(self) -> bool:
        """Whether parse rates agree but for the few answers that rounding may turn."""
        few = max(1, round(0.02 * self.prompts))
        return all(abs(one - other) <= few for one, other in (self.base_parsed, self.teacher_parsed))


class CurveThreshold(NamedTuple):
    """λ*(A), λ*(B) and the earliest λ_flip on one kind of answers (`source`: gold or rollouts)."""

    source: str
    safety: Interval
    operating: Interval
    flip: float
    flip_kind: TokenClass | None
    flip_item: int


@dataclass(frozen=True)
class TargetCurve:
    """A curve with all that it was made from; `outcomes` (1, λ, prompts) is over the λ of 1 and above."""

    shown: str
    floor: float
    points: tuple[TargetPoint, ...]
    outcomes: Outcomes
    prompts: tuple[str, ...]
    cliff: Cliff
    self_test: SelfTest
    breaks: Break | None
    thresholds: tuple[CurveThreshold, ...]
    clip: float
    limit: float
    """The largest λ that the curve allows: before its onset, else as far as a cliff is excluded, at least 1."""
    advice: str

    def to_dict(self) -> dict[str, Any]:
        """As plain values; `good`: 1 or 0 for each λ of the cliff and each prompt, null for no verdict."""
        return {
            "shown": self.shown,
            "floor": self.floor,
            "points": [_point(point) for point in self.points],
            "cliff": _plain(self.cliff),
            "self_test": self.self_test._asdict() | {"held": self.self_test.held},
            "breaks": None if self.breaks is None else self.breaks.to_dict(),
            "thresholds": [_plain(found) for found in self.thresholds],
            "clip": self.clip,
            "limit": self.limit,
            "advice": self.advice,
            "prompts": list(self.prompts),
            "good": [[None if math.isnan(x) else int(x) for x in row] for row in self.outcomes.good[0].tolist()],
        }


def _point(point: TargetPoint) -> dict[str, Any]:
    return {
        "lambda": point.lam,
        "n": point.n,
        "metrics": {name: value._asdict() for name, value in point.metrics.items()},
        "kinds": dict(point.kinds),
    }


def _plain(found: Any) -> Any:
    """Named tuples as objects, all the way down."""
    if isinstance(found, tuple) and hasattr(found, "_asdict"):
        return {name: _plain(value) for name, value in found._asdict().items()}
    return [_plain(value) for value in found] if isinstance(found, tuple) else found


def known(value: float) -> bool:
    """Whether a limit says something."""
    return not math.isnan(value)
