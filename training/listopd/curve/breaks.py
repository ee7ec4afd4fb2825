"""Where a target's answers leave the contract, and why: what the two models say of the step that went wrong.

At that step the target preferred another token than the one that keeps the contract. Where the teacher itself is for
the right one, the base must be surer still (λ L_p < (λ - 1) L_b with L_p > 0): the mode has flipped. Where the teacher
is against it, the break is the teacher's own, at every λ.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from enum import StrEnum
from statistics import median
from typing import Any, NamedTuple

from listopd.probe.answers import ProbeAnswer
from listopd.probe.observations import observe, steps_of, text_of
from listopd.probe.vocabulary import Vocabulary
from listopd.threshold.closed_form import lambda_flip, sigmoid
from listopd.tokens import TokenClass


class Mechanism(StrEnum):
    """Why answers leave the contract."""

    FLIP = "flip"
    TEACHER = "teacher"
    OTHER = "other"

    @property
    def meaning(self) -> str:
        """In words, for tables."""
        return _MEANING[self]


_MEANING = {
    Mechanism.FLIP: "mode flip: the base is surer of the right token than the teacher",
    Mechanism.TEACHER: "the teacher itself prefers the wrong token",
    Mechanism.OTHER: "not at one step of the format",
}


class Break(NamedTuple):
    """The broken answers at one λ: their kinds, mechanisms and steps, the most frequent first."""

    lam: float
    broken: int
    n: int
    kinds: dict[str, int]
    mechanisms: dict[Mechanism, int]
    steps: dict[tuple[TokenClass, int], int]
    """By class and item of the step that went wrong, of the most frequent mechanism."""
    flip: float
    """Median λ_flip of the flipped steps; infinite without one."""

    @property
    def kind(self) -> str:
        """The most frequent kind."""
        return next(iter(self.kinds))

    @property
    def mechanism(self) -> Mechanism:
        """The most frequent mechanism."""
        return next(iter(self.mechanisms))

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        steps = [{"kind": kind.value, "item": item, "n": n} for (kind, item), n in self.steps.items()]
        return self._asdict() | {"steps": steps, "mechanisms": {name.value: n for name, n in self.mechanisms.items()}}


class _Departure(NamedTuple):
    kind: TokenClass
    item: int
    teacher: float
    base: float


def find_breaks(
    lam: float,
    n: int,
    broken: Sequence[tuple[ProbeAnswer, str]],
    vocabulary: Vocabulary,
    stop: int,
    teacher: Any,
    base: Any,
    temperature: float = 1.0,
) -> Break | None:
    """The `broken` of n answers at one λ, each with its kind, under the two networks; None where none is broken."""
    if not broken:
        return None
    left = [answer for answer, _ in broken if leaves(answer, vocabulary)]
    found = _departures(left, vocabulary, stop, teacher, base, temperature) if left else []
    by_mechanism: dict[Mechanism, list[_Departure]] = {name: [] for name in Mechanism}
    for one in found:
        by_mechanism[_mechanism(one)].append(one)
    counts = Counter({name: len(ones) for name, ones in by_mechanism.items() if ones})
    if len(found) < len(broken):
        counts[Mechanism.OTHER] += len(broken) - len(found)
    mechanisms = dict(counts.most_common())
    steps = Counter((one.kind, one.item) for one in by_mechanism[next(iter(mechanisms))])
    single = [
        lambda_flip(float(sigmoid(one.teacher)), float(sigmoid(one.base))) for one in by_mechanism[Mechanism.FLIP]
    ]
    kinds = Counter(kind for _, kind in broken)
    return Break(
        lam,
        len(broken),
        n,
        dict(kinds.most_common()),
        mechanisms,
        dict(steps.most_common()),
        median(single or [_NEVER]),
    )


_NEVER = float("inf")


def leaves(answer: ProbeAnswer, vocabulary: Vocabulary) -> bool:
    """Whether the answer's last step that is followed is one that went wrong."""
    text = text_of(answer, vocabulary)
    steps = deque(steps_of(answer, vocabulary), maxlen=1)
    if not steps:
        return False
    last = steps[0]
    if last.at >= len(text):
        return answer.stopped and bool(last.wanted)
    return text[last.at] not in last.wanted


def _departures(
    answers: Sequence[ProbeAnswer], vocabulary: Vocabulary, stop: int, teacher: Any, base: Any, temperature: float
) -> list[_Departure]:
    """The last step of each answer that has one."""
    found = observe(answers, vocabulary, stop, teacher, base, temperature)
    last = {name: place for place, name in enumerate(found.prompt)}
    return [
        _Departure(TokenClass(str(found.kind[i])), int(found.item[i]), float(found.teacher[i]), float(found.base[i]))
        for i in last.values()
    ]


def _mechanism(found: _Departure) -> Mechanism:
    if found.teacher <= 0:
        return Mechanism.TEACHER
    # A step is a choice between sets of tokens, so the two may agree on it where a token of the larger set lost.
    return Mechanism.FLIP if found.base > found.teacher else Mechanism.OTHER
