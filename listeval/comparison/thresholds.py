"""What a verdict is decided by: options of `compare`, recorded with every comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from listeval.errors import UserError, did_you_mean

Way = Literal["repair", "change", "constrain", "re-ask", "train"]
"""What an arm changes against the baseline: its answers afterwards, other settings, its decoder, how often it is
asked, its model."""
WAYS: tuple[Way, ...] = get_args(Way)
"""Cheapest first."""


@dataclass(frozen=True)
class Thresholds:
    """Raises UserError for values that no verdict could rest on."""

    margin: float = 0.1
    """The largest loss of ranking quality that is borne for more usable answers, as a share of the metric's range."""
    alpha: float = 0.05
    """The chance of a false claim over the whole comparison; intervals are at 1 - alpha."""
    order: tuple[Way, ...] = WAYS
    """Ways from the cheapest to the dearest."""
    masked: float = 0.2
    """The mean probability mass taken from a step above which a constraint fights the model."""

    def __post_init__(self) -> None:
        if not 0 < self.margin <= 1:
            raise UserError(
                f"a margin of {self.margin:g} of a metric's range", place="--margin", fix="above 0, up to 1"
            )
        if not 0 < self.alpha <= 0.5:
            raise UserError(f"a chance of error of {self.alpha:g}", place="--alpha", fix="above 0, up to 0.5")
        if sorted(self.order) != sorted(WAYS):
            raise UserError("the order of cost names a way twice", place="--cost-order", fix="name each way once")

    @property
    def level(self) -> float:
        """Of the intervals that are shown."""
        return 1 - self.alpha

    def guard_level(self, arms: int) -> float:
        """Of the intervals that must exclude harm: one-sided alpha over all `arms`, at least as wide as those shown."""
        return 1 - 2 * self.alpha / max(2, arms)

    def rank(self, ways: Sequence[Way]) -> tuple[int, ...]:
        """How dear an arm is that needs all of `ways`: the dearest decides, then the next."""
        return tuple(sorted((self.order.index(way) for way in ways), reverse=True))


def cost_order(named: Sequence[str]) -> tuple[Way, ...]:
    """The ways with those `named` first, the others after them as usual.

    Raises UserError for a name that is no way, and for one that is named twice.
    """
    unknown = next((name for name in named if name not in WAYS), None)
    if unknown is not None:
        raise UserError(f"unknown way '{unknown}'", place="--cost-order", fix=did_you_mean(unknown, list(WAYS)))
    rest = [way for way in WAYS if way not in named]
    return Thresholds(order=(*cast(Sequence[Way], named), *rest)).order
