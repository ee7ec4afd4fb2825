"""From many positions to one threshold: the safety form (A), the operating scale (B) and their aggregators.

arXiv 2605.08737, Prop. 4.3 and Eq. 5. (A) takes the most concentrated position: below λ*(p_max, b, c) every position is
clip-safe. (B) takes the typical one: the paper's calibrated rule, not a theorem, is that a fraction of the equivalence
classes must saturate before answers break, so the cliff is seen near λ*(mean p, b, c). The paper fixes the aggregators
ahead of the measurement, the mean for (B) and the max-of-prompt-mean for (A), and says that others span a range of λ*.

How the warm start's b goes with an aggregate is only described: b is implied by the joint teacher-base log-ratio. Here
that is b = p exp(-mean ln(p/b)) with the mean p (our reading): one b, that of (B), for (A) too. λ* falls in p on
(b, 1), so with one b (A) is never above (B). `tightest_threshold` is ours: each position with its own b.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from listeval.errors import UserError, did_you_mean
from listopd.threshold.closed_form import Floats, lambda_flips, lambda_star, lambda_stars, sigmoid
from listopd.threshold.positions import FREE, NEUTRAL, RESOLUTION, Positions

Aggregator = Literal["mean", "max_of_prompt_mean", "logit_mean", "position_max", "q05", "q25", "q50", "q75", "q95"]

SMOOTH: frozenset[Aggregator] = frozenset({"mean", "logit_mean"})
"""Aggregators that are smooth in the data, for which alone the delta method holds."""

Pairs = tuple[Floats, Floats]
"""p and b, one entry a draw."""

_BLOCK = 1 << 20


class Threshold(NamedTuple):
    """λ* of a set of positions, with the aggregate p and b that it was computed from."""

    aggregator: Aggregator
    p: float
    b: float
    c: float
    value: float


def safety_threshold(positions: Positions, c: float, aggregator: Aggregator = "max_of_prompt_mean") -> Threshold:
    """Form (A), with the one b of (B). With `position_max` it is Eq. 5 to the letter; the default is the paper's.

    Never above `operating_threshold`, whose p is a mean of the same positions.

    Raises UserError without positions, for an unknown aggregator and for c <= 1.
    """
    return _threshold(positions, c, aggregator)


def operating_threshold(positions: Positions, c: float, aggregator: Aggregator = "mean") -> Threshold:
    """Form (B), a calibrated rule and no theorem. Raises UserError as `safety_threshold`."""
    return _threshold(positions, c, aggregator)


def tightest_threshold(positions: Positions, c: float) -> float:
    """The smallest λ* of all positions, each with its own b (ours).

    λ* depends more on b than on p once both are near 1, so the position with the largest p need not be the one that
    binds; only this bound is safe at every position. Raises UserError without positions and for c <= 1.
    """
    _require_some(positions)
    return float(lambda_stars(positions.p, positions.b, c).min())


def flip_threshold(positions: Positions, share: float = 0.05, reach: float = 0.0) -> float:
    """The λ from which some step of the format is written wrong because its mode has flipped (ours).

    A step is what positions of one class have in common; where `kind` says nothing, each position is one. A step has
    flipped where more than `share` of its positions have; with few positions one is enough. Positions of the kind
    `FREE` have nothing to break. Infinite where the base is surer than the teacher nowhere. To be taken over all
    structural positions, before any filter by p: the steps that flip are those where the teacher is less sure. Nothing
    flips where the base leaves less than `reach` to all other tokens, for then none of them is ever written.
    """
    flips = np.where(1 - positions.b < reach, np.inf, lambda_flips(positions.p, positions.b))
    named = set(positions.kind[np.isfinite(flips)].tolist()) - {"", FREE}
    steps = [np.sort(flips[positions.kind == kind]) for kind in named]
    first = [float(step[int(share * len(step))]) for step in steps]
    return min([*first, *flips[positions.kind == ""].tolist()], default=math.inf)


def _threshold(positions: Positions, c: float, aggregator: Aggregator) -> Threshold:
    p, b = (float(column[0]) for column in aggregate(positions, aggregator))
    return Threshold(aggregator, p, b, c, lambda_star(p, b, c))


def aggregate(positions: Positions, aggregator: Aggregator, times: Floats | None = None) -> Pairs:
    """p and b of resampled prompts, each (draws,).

    `times` (draws, prompts) says how often each draw takes each prompt; without it there is one draw, the data.
    Without a base (`Positions.neutral`) b is 1/2.
    Raises UserError without positions and for an unknown aggregator.
    """
    _require_some(positions)
    if aggregator not in _AGGREGATORS:
        known = list(get_args(Aggregator))
        raise UserError(f"unknown aggregator '{aggregator}'", place="aggregator", fix=did_you_mean(aggregator, known))
    drawn = np.ones((1, positions.prompts)) if times is None else times
    p, b = _AGGREGATORS[aggregator](positions, drawn)
    # The b that a log-ratio implies is 1/2 only where all p are the same.
    return (p, np.full_like(p, NEUTRAL)) if positions.neutral else (p, b)


def _mean(positions: Positions, times: Floats) -> Pairs:
    """The mean over prompts of each prompt's mean."""
    p = _average(positions.prompt_means(positions.p), times)
    return p, _implied_base(p, _average(positions.prompt_means(positions.log_ratio), times))


def _logit_mean(positions: Positions, times: Floats) -> Pairs:
    """The mean of log-odds, for b as for p: the scale on which λ* is nearly linear."""
    p, b = (sigmoid(_average(positions.prompt_means(column), times)) for column in positions.logits)
    return p, b


def _max_of_prompt_mean(positions: Positions, times: Floats) -> Pairs:
    """The largest mean of a prompt, with the one b."""
    mean, base = _mean(positions, times)
    largest = np.where(times > 0, positions.prompt_means(positions.p), -np.inf).max(1)
    return _largest(largest, mean, base)


def _position_max(positions: Positions, times: Floats) -> Pairs:
    """The largest p of a position, with the one b."""
    mean, base = _mean(positions, times)
    prompt, _ = _max_of_prompt_mean(positions, times)
    best = np.zeros(positions.prompts)
    np.maximum.at(best, positions.prompt, positions.p)
    return _largest(np.maximum(np.where(times > 0, best, -np.inf).max(1), prompt), mean, base)


def _largest(largest: Floats, mean: Floats, base: Floats) -> Pairs:
    """A largest p with the one b, which binds it only where it binds the mean: two equal models have no threshold."""
    # A mean of equal numbers may round above them.
    p = np.maximum(largest, mean)
    return p, np.where(base >= mean, np.maximum(base, p), base)


def _quantile(positions: Positions, times: Floats, *, share: float) -> Pairs:
    """The p that `share` of the positions do not exceed; b is implied by the log-ratio of all."""
    order = np.argsort(positions.p, kind="stable")
    owner = positions.prompt[order]
    step = max(1, _BLOCK // len(positions))
    blocks = [_reached(times[at : at + step, owner], share) for at in range(0, len(times), step)]
    p = positions.p[order][np.concatenate(blocks)]
    return p, _implied_base(p, _average(positions.prompt_means(positions.log_ratio), times))


def _reached(weights: Floats, share: float) -> NDArray[np.intp]:
    """(draws,): where the running sum of (draws, n) weights first reaches a share of the whole."""
    running = weights.cumsum(1)
    return np.asarray((running >= share * running[:, -1:]).argmax(1), dtype=np.intp)


def _average(per_prompt: Floats, times: Floats) -> Floats:
    return np.asarray((times * per_prompt).sum(1) / times.sum(1))


def _implied_base(p: Floats, log_ratio: Floats) -> Floats:
    return np.asarray(np.clip(p * np.exp(-log_ratio), RESOLUTION, 1 - RESOLUTION))


def _require_some(positions: Positions) -> None:
    if len(positions) == 0:
        fix = "probe valid answers, or lower the scaffold filter"
        raise UserError("no scaffold position to take a threshold from", place="positions", fix=fix)


_AGGREGATORS: dict[Aggregator, Callable[[Positions, Floats], Pairs]] = {
    "mean": _mean,
    "max_of_prompt_mean": _max_of_prompt_mean,
    "logit_mean": _logit_mean,
    "position_max": _position_max,
    "q05": partial(_quantile, share=0.05),
    "q25": partial(_quantile, share=0.25),
    "q50": partial(_quantile, share=0.50),
    "q75": partial(_quantile, share=0.75),
    "q95": partial(_quantile, share=0.95),
}
