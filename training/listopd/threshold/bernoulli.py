"""One structural position as two tokens, modal and other: the exact flow of the capped and the uncapped objective.

Nothing here uses the closed form, so it is evidence for it. With log-odds z of the student, the expected policy
gradient is θ(1 - θ) times the modal minus the off-modal advantage. What makes Eq. 4 of arXiv 2605.08737 exact is a cap
on the teacher/student ratio *inside the advantage* (ours): the off-modal restoring force saturates at the boundary.
Without that cap the fixed point is the smooth target and there is no cliff.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from listeval.errors import UserError
from listopd.threshold.closed_form import Floats, logit

Rate = Literal["natural", "softmax"]
"""Whether the flow is slowed by θ(1 - θ), as gradient ascent on log-odds is, or not; fixed points are the same."""


def advantages(
    z: ArrayLike, p: ArrayLike, b: ArrayLike, lam: ArrayLike, c: ArrayLike = math.inf
) -> tuple[Floats, Floats]:
    """The advantage of the modal and of the other token for a student with log-odds z; arguments broadcast.

    min(ln(teacher/student), ln c) + (λ - 1) ln(teacher/base): Eq. 2 of arXiv 2605.08737 with the ratio capped at c.
    """
    student, teacher, base = np.asarray(z, dtype=np.float64), logit(p), logit(b)
    cap, strength = np.log(np.asarray(c, dtype=np.float64)), np.asarray(lam, dtype=np.float64) - 1

    def of(sign: int) -> Floats:
        own, above, below = (-np.logaddexp(0.0, -sign * log_odds) for log_odds in (student, teacher, base))
        return np.asarray(np.minimum(above - own, cap) + strength * (above - below))

    return of(1), of(-1)


def flow(
    p: ArrayLike,
    b: ArrayLike,
    lam: ArrayLike,
    c: ArrayLike = math.inf,
    *,
    steps: int = 1_500,
    step: float = 0.02,
    rate: Rate = "natural",
) -> Floats:
    """(steps + 1, ...): the student's log-odds from the warm start b on; p, b, λ and c broadcast.

    A `step` that is not small overshoots, as a large learning rate does. Raises UserError for a step that is not
    positive.
    """
    if not step > 0:
        raise UserError(f"the step must be positive, not {step}", place="step", fix="give a number such as 0.02")
    shape = np.broadcast_shapes(*(np.shape(value) for value in (p, b, lam, c)))
    path = np.empty((steps + 1, *shape))
    path[0] = logit(b)
    for at in range(steps):
        z = path[at]
        modal, other = advantages(z, p, b, lam, c)
        slowed = np.exp(-np.logaddexp(0.0, z) - np.logaddexp(0.0, -z)) if rate == "softmax" else 1.0
        path[at + 1] = z + step * slowed * (modal - other)
    return path


def collapse_threshold(
    p: ArrayLike, b: ArrayLike, c: ArrayLike, *, highest: float = 64.0, tolerance: float = 1e-3
) -> Floats:
    """The λ from which the simulated flow ends outside the clip-safe region, found by bisection; arguments broadcast.

    Infinite where even `highest` stays inside.
    """
    teacher, base, cap = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (p, b, c)))
    boundary = logit(1 - (1 - teacher) / cap)
    low, high = np.ones(teacher.shape), np.full(teacher.shape, highest)
    unbounded = _end(teacher, base, high, cap) <= boundary
    while float((high - low).max()) > tolerance:
        middle = (low + high) / 2
        inside = _end(teacher, base, middle, cap) <= boundary
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.where(unbounded, np.inf, (low + high) / 2)


def _end(p: Floats, b: Floats, lam: Floats, c: Floats) -> Floats:
    """Where the natural flow is after 40 relaxation times; with this step it never overshoots its fixed point."""
    return np.asarray(flow(p, b, lam, c, steps=200, step=0.2)[-1])


def tail_samples(p: float, positions: float, steps: float = 1) -> float:
    """How many off-modal tokens a student as sharp as the teacher samples in `steps` of `positions` tokens each.

    With few of them a sampled-token objective hardly sees the tail that the threshold is about (ours).
    """
    return (1 - p) * positions * steps
