"""Made-up models of known truth answering made-up questions, as the columns that a comparison is made of.

Clusters hold one to three questions; how easy a question is to answer in form is its cluster's, the same for all.
An answer names the best item with probability `skill`, else any of five at random (values 1, .75, .5, .25 and 0, so
chance is .5); half of a cluster's questions get its first one's answer. A share of an arm's answers is the baseline's,
and a share is reversed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from listeval.comparison.paired_columns import common_parsed
from listeval.runs.figures.columns import Columns
from listeval.stats.intervals import Floats

CHANCE, _LEVELS = 0.5, np.linspace(1, 0, 5)
SKILL = 0.8
"""The baseline's."""
_EASE = 1.0
"""The spread of how easy questions are, against 1 of what is left to the model."""


class Side(NamedTuple):
    """What is true of a model. `skill` below zero names the worst item that often; None is a constant answer."""

    parse: float
    skill: float | None
    agree: float = 0.0
    """The share of samples on which it ranks as the baseline does."""
    reversed: float = 0.0
    """The share of samples on which it names the worst item, whatever else is true of it."""

    @property
    def quality(self) -> float:
        """The true mean quality of an answer that parses."""
        return (quality(SKILL) * self.agree + quality(self.skill) * (1 - self.agree)) * (1 - self.reversed)

    @property
    def useful(self) -> float:
        """The true mean over all samples, failures counting zero."""
        return self.parse * self.quality


def quality(skill: float | None) -> float:
    if skill is None:
        return CHANCE
    return abs(skill) * (1.0 if skill > 0 else 0.0) + (1 - abs(skill)) * CHANCE


def cluster_of(m: int) -> NDArray[np.intp]:
    """Each question's cluster: one, two, three questions, and again."""
    return np.repeat(np.arange(m), 1 + np.arange(m) % 3)


def draw(rng: np.random.Generator, index: NDArray[np.intp], base: Side, arms: Sequence[Side]) -> list[Columns]:
    """Columns of the baseline and the arms over the questions of the clusters `index`."""
    n, ease = len(index), rng.normal(0, _EASE, index[-1] + 1)[index]
    first = _answers(rng, index, base.skill)
    sides = [(_parses(rng, ease, base.parse), first)]
    for arm in arms:
        own = np.where(rng.random(n) < arm.agree, first, _answers(rng, index, arm.skill))
        sides.append((_parses(rng, ease, arm.parse), np.where(rng.random(n) < arm.reversed, 0.0, own)))
    common = common_parsed([ok for ok, _ in sides])
    return [
        {
            "parse_rate": ok.astype(np.float64),
            "useful_q": np.where(ok, q, 0.0),
            "common_q": np.where(common, q, np.nan),
            "q": np.where(ok, q, np.nan),
        }
        for ok, q in sides
    ]


def _parses(rng: np.random.Generator, ease: Floats, rate: float) -> NDArray[np.bool_]:
    """Outcomes whose share is `rate` over all questions."""
    if rate >= 1:
        return np.ones(len(ease), dtype=bool)
    cut = NormalDist().inv_cdf(rate) * math.sqrt(1 + _EASE**2)
    return rng.normal(0, 1, len(ease)) < cut + ease


def _answers(rng: np.random.Generator, index: NDArray[np.intp], skill: float | None) -> Floats:
    n = len(index)
    if skill is None:
        return np.full(n, CHANCE)
    knows = rng.random(n) < abs(skill)
    own = np.where(knows, 1.0 if skill > 0 else 0.0, rng.choice(_LEVELS, n))
    shared = own[np.searchsorted(index, index)]
    return np.where(rng.random(n) < 0.5, shared, own)
