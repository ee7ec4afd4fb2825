"""λ*: the extrapolation strength up to which the base-relative target stays inside the clip-safe region.

arXiv 2605.08737, Theorem 4.1 and Eq. 4. At one structural position p is the teacher's probability of the modal token,
b the warm start's probability of the same token, and c the cap on the teacher/student ratio. All quantities are
probabilities and ratios, so they have no units. The formulas are written in log-odds, where the target is linear in λ.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from listeval.errors import UserError

Floats = NDArray[np.float64]


def lambda_star(p: float, b: float, c: float) -> float:
    """The largest λ whose target keeps the off-modal teacher/student ratio within the cap c (Eq. 4, stable form).

    λ* = 1 + ln(1 + (c - 1)/p) / (logit p - logit b). Infinite where there is no upper threshold: for b >= p, where the
    printed formula gives a meaningless number below 1, and for c = inf.

    Raises UserError for p or b outside (0, 1) and for c <= 1.
    """
    return float(lambda_stars(p, b, c))


def lambda_stars(p: ArrayLike, b: ArrayLike, c: ArrayLike) -> Floats:
    """`lambda_star` element by element; the arguments broadcast. Raises UserError as there."""
    return from_tightness(tightness(p, b, c))


def tightness(p: ArrayLike, b: ArrayLike, c: ArrayLike) -> Floats:
    """1/(λ* - 1) with the sign of p - b (ours): finite and smooth where λ* itself runs to infinity.

    Errors are propagated on this scale, so that an interval may reach b = p. Raises UserError as `lambda_star`.
    """
    teacher, base, cap = _probability("p", p), _probability("b", b), _cap(c)
    return np.asarray((logit(teacher) - logit(base)) / np.log1p((cap - 1) / teacher))


def from_tightness(value: ArrayLike) -> Floats:
    """λ* back from `tightness`: infinite at 0 and below."""
    tight = np.asarray(value, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.where(tight > 0, 1 + 1 / tight, np.inf)


def lambda_flip(p: float, b: float) -> float:
    """The λ at which the target p^λ b^(1-λ) prefers the other token: L_b / (L_b - L_p), with L the log-odds.

    Only a base that is surer than the teacher (b > p) is ever flipped against, so it is infinite for b <= p, where λ*
    has its say. It is no matter of the clip. For p <= 1/2 the teacher prefers no one token there, and nothing can
    flip: infinite. Raises UserError for p or b outside (0, 1).
    """
    return float(lambda_flips(p, b))


def lambda_flips(p: ArrayLike, b: ArrayLike) -> Floats:
    """`lambda_flip` element by element; the arguments broadcast. Raises UserError as there."""
    teacher, base = logit(_probability("p", p)), logit(_probability("b", b))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((base > teacher) & (teacher > 0), base / (base - teacher), np.inf)


def lambda_run(p: float, b: float, c: float) -> float:
    """The λ from which the student runs to certainty (ours): 1 + ln(c/p) / (logit p - logit b), above `lambda_star`.

    Between the two the capped objective still has a fixed point, outside the clip-safe region; they differ by about
    ((1 - p)/c) / (logit p - logit b). Infinite and raising as `lambda_star`.
    """
    if math.isinf(lambda_star(p, b, c)):
        return math.inf
    return 1 + math.log(c / p) / float(logit(p) - logit(b))


def base_neutral(p: float, c: float) -> float:
    """λ* against a base that prefers neither token, b = 1/2; infinite for p <= 1/2. Raises as `lambda_star`."""
    return lambda_star(p, 0.5, c)


def theta_star(p: float, b: float, lam: float) -> float:
    """The student's modal probability at the target p^λ b^(1-λ), normalised: logit θ = λ logit p + (1-λ) logit b.

    Raises UserError for p or b outside (0, 1) and for a λ that is not finite.
    """
    if not math.isfinite(lam):
        raise UserError(f"λ must be a finite number, not {lam}", place="λ", fix="give a number such as 1.2")
    return float(sigmoid(lam * logit(_probability("p", p)) + (1 - lam) * logit(_probability("b", b))))


def clip_boundary(p: float, c: float) -> float:
    """The largest modal probability of a student that is clip-safe, 1 - (1-p)/c. Raises as `lambda_star`."""
    return float(1 - (1 - _probability("p", p)) / _cap(c))


def clip_safe(theta: float, p: float, c: float) -> bool:
    """Whether a student with modal probability θ keeps the off-modal teacher/student ratio within c.

    Raises UserError for θ outside [0, 1], and as `lambda_star`.
    """
    if not 0 <= theta <= 1:
        raise UserError(f"θ must be between 0 and 1, not {theta}", place="θ", fix="give the student's probability")
    return theta <= clip_boundary(p, c)


def logit(probability: ArrayLike) -> Floats:
    """Log-odds of values in (0, 1)."""
    value = np.asarray(probability, dtype=np.float64)
    return np.asarray(np.log(value) - np.log1p(-value))


def sigmoid(log_odds: ArrayLike) -> Floats:
    """The probability of log-odds; neither end overflows."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -np.asarray(log_odds, dtype=np.float64))))


def _probability(name: str, value: ArrayLike) -> Floats:
    found = np.asarray(value, dtype=np.float64)
    inside = (found > 0) & (found < 1)
    if not inside.all():
        fix = "at 0 or 1 log-odds are infinite: measure the probability in fp32 or better, or bound it away"
        wrong = float(found[~inside].flat[0])
        raise UserError(f"{name} must be strictly between 0 and 1, not {wrong:g}", place=name, fix=fix)
    return found


def _cap(value: ArrayLike) -> Floats:
    found = np.asarray(value, dtype=np.float64)
    if not (found > 1).all():
        wrong = float(found[~(found > 1)].flat[0])
        fix = "a cap of 1 or less forbids any extrapolation; inf stands for no cap"
        raise UserError(f"the cap c must be above 1, not {wrong:g}", place="c", fix=fix)
    return found
