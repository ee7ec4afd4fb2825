"""Whether λ* may be read as a prediction: evidence enough, five preconditions, and a verdict that names what fails.

arXiv 2605.08737, section 5, names the five: near-deterministic structural tokens, one dominant outer-scaffold binding
class, parse headroom after SFT, a base-relative objective with a capped ratio, a budget that reaches the boundary. Its
numerical bounds are not recoverable, so every number in `PreconditionLimits` is ours, and so is which failure moves the
cliff (*shifts*) and which leaves nothing to predict (*abstains*). What was not measured does not count as held, nor
does what holds by its estimate and not by its whole interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from listeval.errors import UserError
from listeval.stats.intervals import Interval, wilson
from listopd.threshold.drift import cliff_at
from listopd.threshold.evidence import Measured, measure
from listopd.threshold.positions import SCAFFOLD_FILTER, Positions


class Condition(StrEnum):
    """What is checked and named, in this order: evidence enough to be wrong, then the paper's five preconditions."""

    EVIDENCE = "enough evidence"
    NEAR_DETERMINISTIC = "near-deterministic scaffold"
    BINDING_CLASS = "one dominant binding class"
    HEADROOM = "parse headroom"
    OBJECTIVE = "base-relative, capped objective"
    BUDGET = "budget"


class PreconditionOutcome(StrEnum):
    """What the threshold is good for: a prediction, a one-sided bound that the cliff moves away from, or nothing."""

    PREDICTS = "predicts"
    SHIFTS = "shifts"
    ABSTAINS = "abstains"


class Cap(StrEnum):
    """What the cap c bounds: the teacher/student ratio in the advantage, the trainer/rollout ratio, or nothing."""

    TEACHER_RATIO = "teacher_ratio"
    ROLLOUT = "rollout"
    NONE = "none"


class Check(NamedTuple):
    """One precondition: the verdict that it allows, and the measurement in words."""

    condition: Condition
    outcome: PreconditionOutcome
    detail: str

    @property
    def held(self) -> bool:
        return self.outcome is PreconditionOutcome.PREDICTS


@dataclass(frozen=True)
class PreconditionLimits:
    """Bounds of the preconditions, all ours.

    `filter`: teacher probability from which a position is scaffold; `share`: how many of the structural positions must
    be. `dominance`: the binding class's least share of the joint teacher-base log-ratio. `lowest`, `highest`: where
    the warm start's strict parse rate must lie, with its 95 % interval. `slack`: how far above λ*, relatively, the
    budget may leave the cliff. `prompts`, `answers`: how many must have been read, independent of each other.
    `precision`: how wide the interval of λ* may be, relatively.
    """

    filter: float = SCAFFOLD_FILTER
    share: float = 0.9
    dominance: float = 0.5
    lowest: float = 0.02
    highest: float = 0.9
    slack: float = 0.05
    prompts: int = 20
    answers: int = 30
    precision: float = 0.1

    def __post_init__(self) -> None:
        for name in ("filter", "share", "dominance", "lowest", "highest"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"'{name}' must be between 0 and 1", place="limits", fix="give a share")
        if not (self.lowest < self.highest and self.slack > 0):
            raise UserError("'lowest' < 'highest' and 'slack' > 0 must hold", place="limits", fix="swap or raise them")


@dataclass(frozen=True)
class Evidence:
    """What is known of a run before it is swept; None stands for not measured.

    `positions` are all structural positions, before the scaffold filter, with their classes. `parsed` of `total`
    answers of the warm start keep the contract, of which `independent` are; where that is fewer, `rate` is their rate
    with its interval (else Wilson's). Without `base_relative` λ* is that of b = 1/2. `steps` is the budget,
    `kappa` the rate of `drift.fit_drift`, `clip` the c of λ*. Raises UserError for counts that cannot be.
    """

    positions: Positions
    cap: Cap
    base_relative: bool
    parsed: int | None = None
    total: int | None = None
    steps: float | None = None
    kappa: float | None = None
    clip: float = 5.0
    rate: Interval | None = None
    independent: int | None = None

    def __post_init__(self) -> None:
        if (self.parsed is None) != (self.total is None):
            raise UserError("'parsed' and 'total' go together", place="evidence", fix="give both or neither")
        if self.parsed is not None and self.total is not None and not 0 <= self.parsed <= self.total:
            raise UserError(f"{self.parsed} of {self.total} answers parse", place="evidence", fix="correct the counts")


class Applicability(NamedTuple):
    """The weakest outcome of the checks, the first condition that forces it (None where all hold), and the figures."""

    outcome: PreconditionOutcome
    failed: Condition | None
    checks: tuple[Check, ...]
    measured: Measured

    @property
    def sentence(self) -> str:
        """The verdict on one line."""
        if self.failed is None:
            evidence = next(check.detail for check in self.checks if check.condition is Condition.EVIDENCE)
            return f"{self.outcome}: all five preconditions hold; {evidence}"
        detail = next(check.detail for check in self.checks if check.condition is self.failed)
        return f"{self.outcome}: {self.failed}: {detail}"


def judge(evidence: Evidence, limits: PreconditionLimits | None = None) -> Applicability:
    """Check the five preconditions."""
    bounds = limits or PreconditionLimits()
    measured = measure(evidence.positions, bounds.filter, evidence.clip, base_relative=evidence.base_relative)
    checks = (
        _evidence(evidence, measured, bounds),
        _near_deterministic(evidence, measured, bounds),
        _binding_class(evidence, measured, bounds),
        _headroom(evidence, bounds),
        _objective(evidence),
        _budget(evidence, bounds),
    )
    worst = max((check.outcome for check in checks), key=list(PreconditionOutcome).index)
    failed = next((check.condition for check in checks if check.outcome is worst and not check.held), None)
    return Applicability(worst, failed, checks, measured)


def _evidence(evidence: Evidence, measured: Measured, limits: PreconditionLimits) -> Check:
    """Whether what follows could have come out otherwise."""
    star = measured.star
    few = [f"{_of_units(measured.prompts, measured.units, 'prompts')} have scaffold (at least {limits.prompts})"]
    enough = measured.units >= limits.prompts
    if evidence.total:
        alone = evidence.total if evidence.independent is None else evidence.independent
        read = _of_units(evidence.total, alone, "answers of the warm start")
        few.append(f"{read} were read (at least {limits.answers})")
        enough = enough and alone >= limits.answers
    if math.isfinite(star.value):
        few.append(f"λ* is {_interval(star, '.3f')} (at most {limits.precision:.0%} of it wide)")
        # Written so that limits which are not known do not pass.
        enough = enough and star.high - star.low <= limits.precision * star.value
    return Check(Condition.EVIDENCE, _allowed(enough, PreconditionOutcome.ABSTAINS), "; ".join(few))


def _near_deterministic(evidence: Evidence, measured: Measured, limits: PreconditionLimits) -> Check:
    n, near = len(evidence.positions), measured.near
    share = near.value if n else 0.0
    detail = f"p >= {limits.filter:g} at {share:.1%} of {n:,} structural positions"
    detail += f" (bound {limits.share:.0%}, interval {_interval(near, '.1%', value=False)})" if n else ""
    return Check(Condition.NEAR_DETERMINISTIC, _allowed(near.low >= limits.share, PreconditionOutcome.ABSTAINS), detail)


def _binding_class(evidence: Evidence, measured: Measured, limits: PreconditionLimits) -> Check:
    scaffold = evidence.positions.scaffold(limits.filter)
    if len(scaffold) == 0 or float(scaffold.prompt_means(scaffold.log_ratio).mean()) <= 0:
        detail = "no class binds: the warm start is as certain as the teacher on the whole (b >= p)"
        detail += ", so λ* is infinite" if evidence.base_relative else ""
        return Check(
            Condition.BINDING_CLASS, PreconditionOutcome.ABSTAINS, detail if len(scaffold) else "no scaffold position"
        )
    share = measured.share
    detail = f"'{measured.binding}' holds {share.value:.1%} of the log-ratio"
    detail += f" (bound {limits.dominance:.0%}, interval {_interval(share, '.1%', value=False)})"
    if share.high < limits.dominance:
        return Check(Condition.BINDING_CLASS, PreconditionOutcome.SHIFTS, detail)
    # Where the interval reaches across the bound, one class may dominate or not.
    return Check(Condition.BINDING_CLASS, _allowed(share.low >= limits.dominance, PreconditionOutcome.ABSTAINS), detail)


def _headroom(evidence: Evidence, limits: PreconditionLimits) -> Check:
    if evidence.parsed is None or not evidence.total:
        return Check(Condition.HEADROOM, PreconditionOutcome.ABSTAINS, "the warm start's parse rate was not measured")
    rate = evidence.rate or wilson(evidence.parsed, evidence.total)
    detail = (
        f"the warm start parses {evidence.parsed} of {evidence.total} (95 % interval {rate.low:.1%} to {rate.high:.1%},"
        f" bounds {limits.lowest:.0%} to {limits.highest:.0%})"
    )
    held = rate.low >= limits.lowest and rate.high <= limits.highest
    return Check(Condition.HEADROOM, _allowed(held, PreconditionOutcome.ABSTAINS), detail)


def _objective(evidence: Evidence) -> Check:
    outcome, detail = {
        Cap.NONE: (PreconditionOutcome.ABSTAINS, "without a cap the target is reached smoothly and has no cliff"),
        Cap.ROLLOUT: (
            PreconditionOutcome.SHIFTS,
            "the cap bounds the trainer/rollout ratio, which is near 1, so the cliff is above λ* if there is one",
        ),
        Cap.TEACHER_RATIO: (PreconditionOutcome.PREDICTS, "base-relative, with the teacher/student ratio capped"),
    }[evidence.cap]
    if outcome is not PreconditionOutcome.ABSTAINS and not evidence.base_relative:
        outcome, detail = (
            PreconditionOutcome.SHIFTS,
            "the objective has no base, so the base-neutral λ* (b = 1/2) applies",
        )
    return Check(Condition.OBJECTIVE, outcome, detail)


def _budget(evidence: Evidence, limits: PreconditionLimits) -> Check:
    if evidence.steps is None or evidence.kappa is None:
        return Check(
            Condition.BUDGET, PreconditionOutcome.SHIFTS, "the drift rate was not measured: the cliff is at λ* or above"
        )
    excess = cliff_at(1.0, evidence.kappa, evidence.steps) - 1
    by = f"{excess:.1%}" if math.isfinite(excess) else "without limit"
    detail = f"after {evidence.steps:g} steps the cliff is {by} above λ* (bound {limits.slack:.0%})"
    return Check(Condition.BUDGET, _allowed(excess <= limits.slack, PreconditionOutcome.SHIFTS), detail)


def _of_units(n: int, units: int, what: str) -> str:
    return f"{n} {what}" + (f", {units} of them independent," if units < n else "")


def _interval(found: Interval, digits: str, *, value: bool = True) -> str:
    said = f"{found.value:{digits}} " if value else ""
    known = "not known" if math.isnan(found.low) else f"[{found.low:{digits}}, {found.high:{digits}}]"
    return said + known


def _allowed(held: bool, otherwise: PreconditionOutcome) -> PreconditionOutcome:
    return PreconditionOutcome.PREDICTS if held else otherwise
