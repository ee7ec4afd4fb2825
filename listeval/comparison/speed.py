"""Whether one arm may be called faster than another.

A speed is claimed only where both arms ran on one engine (backend, versions, settings besides the constraint) and one
machine, each was timed at least twice, and all timings of the one lie on one side of all timings of the other. A run is
timed by each of its finished attempts, and by those of a run of the same identity among the arms (`listeval run @RUN
--out NEW` makes one). Answers that are replayed or made up have no speed, and a server's machine is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from listeval.comparison.arms import Arm

_TIMELESS = {"replay": "replayed answers have no speed", "null": "answers of the null engine have no speed"}
_TIMELESS |= {"openai": "the machine behind a server is not known"}
ONCE = "timed fewer than twice"
_ENOUGH = 0.1
"""The share of the run's rows that an attempt must have made for its pace to stand for the run."""


class Speed(NamedTuple):
    """How many times as fast as the baseline, at least and at most; None where nothing is claimed, and then why."""

    ratio: tuple[float, float] | None
    why: str = ""


def speed(arm: Arm, arms: Sequence[Arm]) -> Speed:
    """The speed of one of `arms` against the first; a run of the same identity among them is a repetition."""
    base = arms[0]
    if arm.run.path == base.run.path:
        return Speed(None, "both arms are one run")
    why = _unlike(base, arm)
    if why:
        return Speed(None, why)
    before, after = (_timings(arms, one) for one in (base, arm))
    once = [one.name for one, found in ((base, before), (arm, after)) if len(found) < 2]
    if once:
        return Speed(None, f"{' and '.join(once)} {ONCE}")
    low, high = min(before) / max(after), max(before) / min(after)
    if low <= 1 <= high:
        return Speed(None, "no difference beyond that of a repetition")
    return Speed((low, high))


def same_machine(arms: Sequence[Arm]) -> bool:
    """Whether speeds may stand side by side: one hardware, one engine, and answers that were made, not replayed."""
    return not any(_unlike(arms[0], arm) for arm in arms)


def _unlike(base: Arm, arm: Arm) -> str:
    """Why the speeds of two arms cannot be compared; empty where they can."""
    for one in (base, arm):
        if (name := one.run.manifest.backend.name) in _TIMELESS:
            return _TIMELESS[name]
    if _engine(base) != _engine(arm):
        return "another engine, version or setting"
    return "" if _hardware(base) == _hardware(arm) else "another machine"


def _engine(arm: Arm) -> dict[str, Any]:
    manifest = arm.run.manifest
    settings = {name: value for name, value in manifest.backend.settings.items() if name != "constraint"}
    versions = [attempt.versions for attempt in manifest.attempts]
    return {"name": manifest.backend.name, "settings": settings, "versions": versions[-1:]}


def _hardware(arm: Arm) -> tuple[Any, Any, Any]:
    machine = arm.run.manifest.environment
    return machine.cpu, machine.cores, machine.gpu


def _timings(arms: Sequence[Arm], arm: Arm) -> list[float]:
    """Seconds a row of every timing of what `arm` ran."""
    identity = arm.run.manifest.identity_hash
    runs = {a.run.path: a.run for a in arms if a.run.manifest.identity_hash == identity and not _unlike(arm, a)}
    return [
        attempt.seconds / attempt.rows
        for run in runs.values()
        for attempt in run.manifest.attempts
        if attempt.seconds > 0 and attempt.rows >= max(1, _ENOUGH * len(run.rows))
    ]
