"""What a probe measures at structural positions: the teacher's and the warm start's probability of the modal token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from listeval.errors import UserError
from listopd.threshold.closed_form import Floats, logit

RESOLUTION = 2.0**-24
"""The gap between 1 and the next smaller number in fp32, in which probabilities are measured."""

SCAFFOLD_FILTER = 0.9
"""Smallest teacher probability of a position that counts as scaffold (ours: the paper's value is not recoverable)."""

NEUTRAL = 0.5
"""b of a base that prefers neither token, which an objective without a base has."""

FREE = "free"
"""Kind of positions at which the format leaves a choice, such as which item comes next: their mode may change."""


@dataclass(frozen=True)
class Positions:
    """n scaffold positions in several prompts; built by `of`.

    `prompt` (n,) numbers each position's prompt from 0 without gaps. `p` and `b` (n,) are in
    [RESOLUTION, 1 - RESOLUTION]. `kind` (n,) names each position's token class. `unit` (n,) numbers what a position
    depends on, from 0 without gaps: its prompt with all others of the same example or product. Units are what is
    resampled. `neutral` positions have no base: their b is `NEUTRAL`, each one's and every aggregate's.
    """

    prompt: NDArray[np.intp]
    p: Floats
    b: Floats
    kind: NDArray[np.str_]
    unit: NDArray[np.intp]
    neutral: bool = False

    @classmethod
    def of(
        cls,
        prompt: ArrayLike,
        p: ArrayLike,
        b: ArrayLike,
        kind: Sequence[str] | None = None,
        unit: ArrayLike | None = None,
    ) -> Self:
        """Positions from (n,) columns; `prompt` and `unit` hold any labels.

        Without `kind` all are of one class, without `unit` every prompt is a unit. Probabilities of exactly 0 and 1,
        which fp32 gives, are moved to the resolution of fp32.
        Raises UserError for lengths that differ, for values outside [0, 1], and for a prompt in two units.
        """
        teacher, base = _bounded("p", p), _bounded("b", b)
        labels = np.asarray(prompt).ravel()
        owners = np.asarray(unit if unit is not None else labels).ravel()
        kinds = np.asarray(kind if kind is not None else [""] * len(teacher), dtype=np.str_)
        sizes = {"prompt": len(labels), "p": len(teacher), "b": len(base), "kind": len(kinds), "unit": len(owners)}
        if len(set(sizes.values())) > 1:
            found = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise UserError(f"columns of different lengths: {found}", place="positions", fix="give one row a position")
        number = np.unique(labels, return_inverse=True)[1].astype(np.intp)
        return cls(number, teacher, base, kinds, number if unit is None else _units_of(number, owners))

    def __len__(self) -> int:
        return len(self.p)

    @property
    def prompts(self) -> int:
        """How many prompts have a position."""
        return int(self.prompt.max()) + 1 if len(self) else 0

    @property
    def units(self) -> int:
        """How many independent units have a position."""
        return int(self.unit.max()) + 1 if len(self) else 0

    @property
    def prompt_units(self) -> NDArray[np.intp]:
        """(prompts,): the unit of each prompt."""
        return self.unit[np.unique(self.prompt, return_index=True)[1]]

    @property
    def log_ratio(self) -> Floats:
        """(n,): ln(p/b), the joint teacher-base log-ratio position by position."""
        return np.asarray(np.log(self.p) - np.log(self.b))

    @property
    def logits(self) -> tuple[Floats, Floats]:
        """Log-odds of p and of b, each (n,)."""
        return logit(self.p), logit(self.b)

    def prompt_means(self, values: Floats) -> Floats:
        """(prompts,): each prompt's mean of (n,) values."""
        return np.asarray(np.bincount(self.prompt, weights=values) / np.bincount(self.prompt))

    def keep(self, chosen: NDArray[np.bool_]) -> Self:
        """The positions where the (n,) mask is true; prompts and units left without one are forgotten."""
        prompt, unit = (
            np.unique(column[chosen], return_inverse=True)[1].astype(np.intp) for column in (self.prompt, self.unit)
        )
        return replace(self, prompt=prompt, p=self.p[chosen], b=self.b[chosen], kind=self.kind[chosen], unit=unit)

    def without_base(self) -> Self:
        """As an objective without a base sees them: against a base that prefers neither token."""
        return replace(self, b=np.full(len(self), NEUTRAL), neutral=True)

    def scaffold(self, least: float = SCAFFOLD_FILTER) -> Self:
        """The near-deterministic positions: those where the teacher's probability is at least `least`."""
        return self.keep(self.p >= least)


def _units_of(prompt: NDArray[np.intp], labels: NDArray[Any]) -> NDArray[np.intp]:
    """(n,): the number of each position's unit, in the order of the units' first prompts."""
    found = np.unique(labels, return_inverse=True)[1]
    first = np.full(int(found.max(initial=-1)) + 1, len(prompt))
    np.minimum.at(first, found, prompt)
    number = np.argsort(np.argsort(first, kind="stable")).astype(np.intp)[found]
    if len(np.unique(prompt * len(first) + number)) > len(np.unique(prompt)):
        raise UserError("a prompt belongs to two units", place="positions", fix="give all its positions one unit")
    return number


def _bounded(name: str, values: ArrayLike) -> Floats:
    found = np.asarray(values, dtype=np.float64).ravel()
    outside = ~((found >= 0) & (found <= 1))
    if outside.any():
        cause = f"{name} must be a probability, not {float(found[outside][0]):g}"
        raise UserError(cause, place=name, fix="give probabilities, not log-probabilities")
    return np.clip(found, RESOLUTION, 1 - RESOLUTION)
