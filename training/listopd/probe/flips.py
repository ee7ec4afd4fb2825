"""Where the base is surer of a step than the teacher, so that the target's mode flips there at some λ.

Over all structural steps, before the filter by the teacher's probability that λ* has: the steps that flip are those
where the teacher is less sure, and the filter would hide them. Ids are left out, for which item comes next is free.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from listopd.probe.observations import Observations
from listopd.threshold.closed_form import lambda_flips
from listopd.threshold.sequence import flip_threshold
from listopd.tokens import TokenClass


class Flip(NamedTuple):
    """The tokens of one class at one item."""

    kind: TokenClass
    item: int
    n: int
    surer: float
    """Share of them at which the base is surer than the teacher."""
    value: float
    """λ_flip: from where on more than a twentieth of them are written wrong, of those in reach; infinite for never."""
    earliest: float
    """The smallest λ_flip of a single one, whether in reach or not."""


def flips(found: Observations, floor: float) -> tuple[Flip, ...]:
    """Of every class and item that has a position with a λ_flip, the earliest first.

    In reach is a position at which the base leaves `floor` or more to other tokens: no training writes the others.
    """
    steps = found.structural(ids=False).by_token()
    return tuple(sorted(_flips(steps, floor), key=lambda flip: (flip.value, flip.earliest)))


def _flips(found: Observations, floor: float) -> Iterator[Flip]:
    for kind in np.unique(found.kind).tolist():
        for item in np.unique(found.item[found.kind == kind]).tolist():
            positions = found.keep((found.kind == kind) & (found.item == item)).positions()
            single = lambda_flips(positions.p, positions.b)
            if np.isfinite(single).any():
                surer = float((positions.b > positions.p).mean())
                value = flip_threshold(positions, reach=floor)
                yield Flip(TokenClass(kind), item, len(positions), surer, value, float(single.min()))
