"""What became of a prediction: hit, missed, or not decidable, by where an interval lies.

A prediction is hit where the whole 95 % interval lies inside its window, missed where it lies outside, and else not
decidable: too few seeds or prompts are no evidence for either.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import NamedTuple

from listeval.stats.intervals import Interval


class NotDecidable(Exception):
    """Why the answers of finished arms cannot decide a claim; its text is told as what was seen."""


class ClaimVerdict(StrEnum):
    """The three words of `listeval cliff verify`."""

    HIT = "hit"
    MISSED = "missed"
    UNDECIDED = "not decidable"


class ClaimFinding(NamedTuple):
    """One prediction and what was seen."""

    id: str
    kind: str
    says: str
    rival: bool
    verdict: ClaimVerdict
    expected: str
    observed: str
    series: str
    seeds: int
    prompts: int
    value: Interval | None = None
    """What was compared with the window, where it is one number."""

    @property
    def counts(self) -> bool:
        """Whether this miss makes the study's prediction missed."""
        return self.verdict is ClaimVerdict.MISSED and not self.rival


class Judgement(NamedTuple):
    """A verdict before it is put beside its claim."""

    verdict: ClaimVerdict
    expected: str
    observed: str
    value: Interval | None = None


def inside(found: Interval, low: float, high: float) -> ClaimVerdict:
    """Where an interval lies; one without limits (NaN) decides nothing."""
    if math.isnan(found.low) or math.isnan(found.high):
        return ClaimVerdict.UNDECIDED
    if low <= found.low and found.high <= high:
        return ClaimVerdict.HIT
    return ClaimVerdict.MISSED if found.high < low or found.low > high else ClaimVerdict.UNDECIDED


def shown(found: Interval, digits: int = 3) -> str:
    """An estimate with its limits, as 1.148 [1.120, 1.180]."""
    if math.isnan(found.low) or math.isnan(found.high):
        return f"{found.value:.{digits}f} (no interval)"
    return f"{found.value:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"
