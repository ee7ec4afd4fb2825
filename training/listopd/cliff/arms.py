"""What a study trains, as data: one arm is one training; a runner trains arms and foretells them without training.

Two runners answer the protocol: the laboratory's, all arms side by side, and that of ordinary recipes on checkpoints.
What both write into an arm's directory is in `listopd.cliff.records`. Light: numpy and torch are not imported here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, get_args

from listopd.cliff.records import AnswerOutcome

Method = Literal["listopd", "exact", "expected", "aspo", "no-base", "opd", "fixed-negative", "start"]
"""How an arm is trained.

listopd         policy gradient on sampled tokens; `cap` bounds the ratio teacher/student inside the advantage
exact           the whole reverse divergence to p^λ b^(1-λ), over the vocabulary; no cap
expected        the capped objective of `listopd` in expectation: the cap's geometry without the sampling's noise
aspo            `listopd` with flipped ratios and several updates a rollout
no-base         the base is uniform: λ log p - log θ
opd             λ = 1: control without extrapolation
fixed-negative  control: every sampled token has the same negative advantage (arXiv 2608.31046)
start           control: the student as it begins, not trained
"""
METHODS: tuple[Method, ...] = get_args(Method)
WITHOUT_LAMBDA: frozenset[Method] = frozenset({"opd", "fixed-negative", "start"})
"""Methods that λ does not enter: one arm a seed, at λ = 1."""


@dataclass(frozen=True)
class StudyPair:
    """Who learns from whom: names of the lab's starts, or checkpoints; `base` None is the student's own start."""

    name: str
    student: str
    teacher: str
    base: str | None = None
    size: str = ""
    """How large the student is, in the words of the size table."""

    @property
    def based_on(self) -> str:
        """The model that λ extrapolates from."""
        return self.student if self.base is None else self.base


@dataclass(frozen=True)
class ArmSpec:
    """One training.

    `part` is the study's part, `cap` the c (inf: none), `batch` rollouts a step, `budgets` the steps after which the
    student is evaluated, rising: it is trained up to the last. They are (0,) for `start`.
    """

    part: str
    pair: StudyPair
    method: Method
    lam: float
    cap: float
    lr: float
    seed: int
    batch: int
    budgets: tuple[int, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What else the runner is told for this arm: JSON values."""

    @property
    def steps(self) -> int:
        """Steps that are trained in all."""
        return self.budgets[-1]

    @property
    def id(self) -> str:
        """Stable and readable, and a plain folder name: equal specs have equal ids, different ones different."""
        cap = "inf" if math.isinf(self.cap) else f"{self.cap:g}"
        head = f"{self.part}-{self.method}-l{self.lam:g}-c{cap}-lr{self.lr:g}-s{self.seed}"
        plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-.") else "_" for letter in head)
        return f"{plain}-{self.digest[:8]}"

    @property
    def digest(self) -> str:
        """sha256 of the canonical JSON."""
        canonical = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return sha256(canonical.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """JSON values; a cap of inf is null."""
        found = asdict(self)
        return found | {"cap": None if math.isinf(self.cap) else self.cap, "budgets": list(self.budgets)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ArmSpec:
        """What `to_json` gave. Raises TypeError or KeyError for anything else."""
        cap = math.inf if value["cap"] is None else float(value["cap"])
        return cls(**{**value, "pair": StudyPair(**value["pair"]), "cap": cap, "budgets": tuple(value["budgets"])})


class PairForecast(NamedTuple):
    """What two frozen models say of a pair, without any training.

    `lams` is (L,) and `outcomes` (L,) of the same prompts in the same order: the answers decoded greedily from
    λ log p - (λ-1) log b, judged by the task's contract. `positions` has p and b of the modal token by the name of
    what they are the aggregate of: "A" and "B" for the closed forms, and one a token class and item, such as "sep 4".
    It is empty where no right answer could be read.
    """

    lams: tuple[float, ...]
    outcomes: tuple[tuple[AnswerOutcome, ...], ...]
    positions: Mapping[str, tuple[float, float]]


class ExpectedCost(NamedTuple):
    """What a runner expects to spend; seconds are NaN where it cannot know."""

    seconds: float
    words: str
    """How the estimate was come by."""


Tell = Callable[[int, str], None]
"""Called as work goes on: arm-steps newly done (0 for words alone) and what is being done."""


class Runner(Protocol):
    """Trains arms, and foretells pairs. Everything raises UserError for what a user can put right."""

    def check(self, arms: Sequence[ArmSpec]) -> None:
        """Refuse what cannot be run (unknown starts, a method without an implementation), before anything runs."""

    def inputs(self, arms: Sequence[ArmSpec]) -> Mapping[str, str]:
        """sha256 by name of what these arms read: data, checkpoints or starts, and options of the runner."""

    def cost(self, arms: Sequence[ArmSpec]) -> ExpectedCost:
        """What training and evaluating these arms takes, before anything is trained."""

    def foretell(self, pair: StudyPair, lams: Sequence[float]) -> PairForecast:
        """The target curve and the measured positions of a pair."""

    def run(self, arms: Sequence[ArmSpec], out: Path, tell: Tell) -> None:
        """Train and evaluate the arms, each in `out / arm.id`, and finish each by `listopd.cliff.records.finish`.

        Arms that are finished are left alone; others go on from the last state that they saved. Calls `tell` at
        least every two seconds or so.
        """
