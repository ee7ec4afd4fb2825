"""From the files of a sweep to the estimators: what was good, by seed, λ and prompt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from listopd.cliff.claims import Good
from listopd.cliff.records import AnswerOutcome
from listopd.cliff.series import Series, last_steps
from listopd.cliff.verdict import NotDecidable
from listopd.estimates import Outcomes

Answers = Mapping[tuple[float, int], Sequence[AnswerOutcome]]
"""By λ and seed."""


def good_of(series: Series, out: Path, good: Good = "parse", token: str | None = None) -> Outcomes:
    """The outcomes of a finished series.

    Raises UserError for files that do not fit together, and NotDecidable for a token class that no arm logged.
    """
    if good == "safe":
        assert token is not None, "a claim of safety names its token class"
        return _safe(series, out, token)
    return parsed(series.answers(out))


def parsed(answers: Answers) -> Outcomes:
    """(seeds, λ, prompts): whether the contract was kept; an engine's failure and an answer that is absent are NaN."""
    lams, seeds = sorted({lam for lam, _ in answers}), sorted({seed for _, seed in answers})
    clusters = {outcome.prompt: outcome.cluster or outcome.prompt for told in answers.values() for outcome in told}
    place = {prompt: at for at, prompt in enumerate(clusters)}
    good = np.full((len(seeds), len(lams), len(place)), np.nan)
    for (lam, seed), told in answers.items():
        for outcome in told:
            if outcome.known:
                good[seeds.index(seed), lams.index(lam), place[outcome.prompt]] = outcome.parsed
    return Outcomes(lams, good, list(clusters.values()))


def curve_of(lams: Sequence[float], outcomes: Sequence[Sequence[AnswerOutcome]]) -> Outcomes:
    """Of a target curve, (λ) times (prompts): one decoding, so no seeds."""
    return parsed({(lam, 0): told for lam, told in zip(lams, outcomes, strict=True)})


def up_to(found: Outcomes, lam: float | None) -> Outcomes:
    """The part of a sweep up to `lam`; all of it for None."""
    if lam is None:
        return found
    kept = [at for at, one in enumerate(found.lams) if one <= lam]
    good = np.asarray(found.good, dtype=np.float64)[:, kept]
    return Outcomes([found.lams[at] for at in kept], good, found.clusters)


def clip_safe(theta: float, p: float, cap: float) -> bool:
    """Whether the student's off-modal mass is at least (1 - p)/c: the ratio teacher/student is not cut there."""
    return math.isinf(cap) or 1 - theta >= (1 - p) / cap


def _safe(series: Series, out: Path, token: str) -> Outcomes:
    """(1, λ, seeds): each seed is one unit, and is in the clip-safe region at `token` at the end, or not."""
    good = np.full((1, len(series.lams), len(series.seeds)), np.nan)
    for (lam, seed), arm in series.arms.items():
        found = last_steps(out, arm, series.budget)
        if token in found.theta and token in found.p:
            here = clip_safe(found.theta[token], found.p[token], series.cap)
            good[0, series.lams.index(lam), series.seeds.index(seed)] = here
    if np.isnan(good).all():
        raise NotDecidable(f"no arm of {series.name} logged the student's probability of '{token}'")
    return Outcomes(series.lams, good)
