"""Gates: what a figure may not be, said on a command line, and whether a run or a comparison keeps to it.

Every gate is a condition under which it is missed: `parse_rate=0.95` stands for `parse_rate < 0.95`. Of a run it
is about the run's figure, of a comparison about the paired difference, arm minus baseline. What is held against the
limit is the value, or an end of its interval; a figure that was not measured, or an end that is not known, keeps to
nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from listeval.errors import UserError, did_you_mean
from listeval.report.shown import metrics_to_show
from listeval.runs.figures import columns as figures
from listeval.runs.figures.as_text import change, interval, points
from listeval.runs.figures.order_figures import BOUNDS, SLOPE, is_shuffled
from listeval.stats.intervals import Bounds, Interval
from listeval.task import Task

if TYPE_CHECKING:
    from listeval.comparison import Comparison
    from listeval.runs import Run

Side = Literal["value", "low", "high"]
SIDES: tuple[Side, ...] = get_args(Side)
"""What of a figure is held against a limit."""

_CONDITION = re.compile(r"\s*(?P<figure>[^\s<>=]+)\s*(?P<sign><=|>=|<|>)\s*(?P<limit>\S+)\s*")


class Gate(NamedTuple):
    """It is missed where the figure stands on the `sign` side of `limit`."""

    figure: str
    sign: Literal["<", "<=", ">", ">="]
    limit: float
    text: str
    """As the user wrote it."""
    side: Side = "value"

    def missed_by(self, found: Interval) -> bool:
        """Whether `found` misses it; what was not measured does."""
        x: float = getattr(found, self.side)
        if math.isnan(x):
            return True
        # 0.90 - 0.92 is a hair below -0.02 in binary, and no user means that hair.
        if math.isclose(x, self.limit, rel_tol=1e-9, abs_tol=1e-12):
            return "=" in self.sign
        return x < self.limit if self.sign[0] == "<" else x > self.limit


class CheckedGate(NamedTuple):
    """One gate and what it met. `subject` is the run or the arm, `found` its figure in words."""

    gate: Gate
    subject: str
    found: str
    missed: bool
    thin: bool
    """Whether the interval reaches to both sides of the limit, so that other samples might have said otherwise."""

    @property
    def line(self) -> str:
        """What a terminal or a CI log says of it."""
        said = "missed" if self.missed else "held"
        of = "" if self.gate.side == "value" else f", by its {self.gate.side} end"
        thin = "; the interval holds the limit, so more samples may turn it" if self.thin else ""
        return f"gate {said} (fails if {self.gate.text}): {self.subject} has {self.found}{of}{thin}"


def fail_under(text: str, side: Side) -> Gate:
    """`parse_rate=0.95` as a gate. Raises UserError for what is not FIGURE=NUMBER."""
    figure, _, limit = text.rpartition("=")
    number = _number(limit)
    if not figure.strip() or number is None:
        raise UserError(
            f"'{text}' is not FIGURE=NUMBER", place="--fail-under", fix="write --fail-under parse_rate=0.95"
        )
    return Gate(figure.strip(), "<", number, f"{figure.strip()} < {limit.strip()}", side)


def fail_if(text: str, side: Side) -> Gate:
    """`useful_ndcg@1 < -0.02` as a gate. Raises UserError for what is no such condition."""
    found = _CONDITION.fullmatch(text)
    number = None if found is None else _number(found["limit"])
    if found is None or number is None:
        fix = "write --fail-if 'parse_rate < -0.02', with <, <=, > or >="
        raise UserError(f"'{text}' is not a condition on a figure", place="--fail-if", fix=fix)
    sign: Literal["<", "<=", ">", ">="] = found["sign"]  # type: ignore[assignment]
    return Gate(found["figure"], sign, number, f"{found['figure']} {sign} {found['limit']}", side)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def check_task(task: Task, gates: Sequence[Gate], *, seeds: int, asks_again: bool) -> None:
    """What is known of gates before a run of `task` is made, which may take hours.

    Raises UserError for a figure that its rows will not have, and for a limit beyond all that it can be. Figures of a
    task's appendix are known afterwards only.
    """
    order = {**BOUNDS, SLOPE: (-math.inf, math.inf)} if is_shuffled(task) else {}
    ranges = {**order, **figures.bounds(task.metrics)}
    known = [*figures.names(task.metrics, seeds, asks_again=asks_again), *order]
    closed = type(task).appendix is Task.appendix
    for gate in gates:
        if closed and gate.figure not in known:
            raise _unknown(gate, dict.fromkeys(known), f"a run of task '{task.name}' like this has no figure", "")
        if gate.figure in known:
            _refuse_unreachable(gate, gate.figure, figures.bounds_of(gate.figure, ranges))


def check_run(run: Run, gates: Sequence[Gate]) -> list[CheckedGate]:
    """Every gate against the run's figures, those of its task's appendix among them.

    Raises UserError for a figure that the run does not have, and for a limit beyond all that it can be.
    """
    known = {name: run.summary.metrics[name] for name in metrics_to_show([run])} | run.estimates
    ranges = {**BOUNDS, **figures.bounds(run.metrics)} if run.order else figures.bounds(run.metrics)
    for gate in gates:
        if gate.figure not in known:
            see = f"see its figures: listeval report {run.path}"
            anew = f"make those over the whole run anew: listeval score {run.path}"
            raise _unknown(gate, known, "this run has no figure", anew if run.is_outdated else see)
        _refuse_unreachable(gate, gate.figure, figures.bounds_of(gate.figure, ranges))
    return [_checked(gate, run.path.resolve().name, known[gate.figure], interval) for gate in gates]


def check_comparison(found: Comparison, gates: Sequence[Gate]) -> list[CheckedGate]:
    """Every gate against the paired difference of every arm but the baseline, arm minus baseline.

    Raises UserError for a figure of which no difference is taken, and for a limit beyond all that it can be.
    """
    ranges = figures.bounds(found.metrics)
    for contrast in found.contrasts:
        for gate in gates:
            if gate.figure not in contrast.differences:
                raise _unknown(gate, contrast.differences, "no difference is taken of", "")
            least, most = figures.bounds_of(gate.figure, ranges)
            _refuse_unreachable(gate, f"the difference of {gate.figure}", (least - most, most - least))
    return [
        _checked(gate, contrast.arm.name, contrast.differences[gate.figure].difference, _changed)
        for contrast in found.contrasts
        for gate in gates
    ]


def _checked(gate: Gate, subject: str, found: Interval, words: Callable[[str, Interval], str]) -> CheckedGate:
    thin = found.low < gate.limit < found.high
    return CheckedGate(gate, subject, words(gate.figure, found), gate.missed_by(found), thin)


def _changed(name: str, value: Interval) -> str:
    return change(name, value) + ("" if math.isnan(value.value) else points(name))


def _unknown(gate: Gate, known: Mapping[str, object], cause: str, fix: str) -> UserError:
    close = did_you_mean(gate.figure, list(known))
    return UserError(f"{cause} '{gate.figure}'", place=f"gate {gate.text}", fix="; ".join(filter(None, (close, fix))))


def _refuse_unreachable(gate: Gate, what: str, within: Bounds) -> None:
    """A limit beyond the ends is a slip, 95 for 0.95: the gate says the same of every figure that was measured, however
    good it is; one that was not measured misses every gate. An end itself is none.
    """
    least, most = within
    if least <= gate.limit <= most:
        return
    within_ = " and ".join(
        f"{words} {end:g}" for words, end in (("at least", least), ("at most", most)) if math.isfinite(end)
    )
    always = (gate.limit > most) == (gate.sign[0] == "<")
    unknown = "the figure is not measured" if gate.side == "value" else f"its {gate.side} end is not known"
    so = "can only be missed" if always else f"can be missed only where {unknown}"
    cause = f"{what} is always {within_}, so this gate {so}"
    raise UserError(cause, place=f"gate {gate.text}", fix=f"give a limit that is {within_}")
