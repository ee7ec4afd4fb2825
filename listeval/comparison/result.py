"""`Comparison`: the arms over the same samples, and what was found of each against the baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from listeval.comparison.arms import Arm
from listeval.comparison.chance import Chance
from listeval.comparison.comparison_json import to_json
from listeval.comparison.contrasts import Guard, QualityScale
from listeval.comparison.cost import Cost
from listeval.comparison.factorial import Factorial
from listeval.comparison.pairing import Pairing
from listeval.comparison.speed import same_machine
from listeval.comparison.thresholds import Thresholds
from listeval.comparison.verdict import Recommendation, recommend
from listeval.comparison.ways import ArmSetup
from listeval.runs.figures import columns as figures
from listeval.stats.intervals import Bounds, Interval
from listeval.stats.paired import Difference
from listeval.task import Metric

if TYPE_CHECKING:
    import pandas

DEFAULTS = Thresholds()
_OF_CONSTRAINTS = ("spacing", "engine")
"""What constrained arms may differ in without being called another constraint."""


@dataclass(frozen=True)
class Contrast:
    """One arm against the baseline."""

    arm: Arm
    differences: Mapping[str, Difference]
    adjusted: Mapping[str, float]
    """Holm's p of each headline figure, one family over all arms."""
    migrations: Mapping[tuple[str, str], int]
    """(baseline's kind, arm's kind) -> samples; zeros are left out."""
    cost: Cost
    guard: Guard | None
    """What is known of its quality; None where the task has no quality metric."""
    unchanged: bool
    """Whether it leaves every answer that parsed as it was, by construction."""


@dataclass(frozen=True, repr=False)
class Comparison:
    """The arms over the same samples; the first is the baseline. Lists by arm are in the order of `arms`."""

    arms: Sequence[Arm]
    pairing: Pairing
    metrics: Sequence[Metric]
    headline: Sequence[str]
    columns: Sequence[figures.Columns]
    """Each arm's figures sample by sample."""
    values: Sequence[Mapping[str, Interval]]
    contrasts: Sequence[Contrast]
    """One for each arm but the baseline."""
    common: int
    """Samples that parse in every arm that parses anything."""
    base_cost: Cost
    scale: QualityScale | None
    """Of the quality metric that the verdict guards; None where the task has none."""
    chance: Chance
    """What a random order is worth on each sample."""
    base_guard: Guard | None
    """The baseline's own quality, as the contrasts' guards have it of the others."""
    factorials: Sequence[Factorial]
    thresholds: Thresholds
    resamples: int
    seed: int
    across_prompts: bool = False
    """Whether samples were paired whose prompts differ."""

    @property
    def base(self) -> Arm:
        """What the others are compared with."""
        return self.arms[0]

    @property
    def sides(self) -> list[tuple[Arm, Contrast | None]]:
        """Every arm with its contrast; the baseline has none."""
        return list(zip(self.arms, (None, *self.contrasts), strict=True))

    @property
    def costs(self) -> list[Cost]:
        """What each arm costs."""
        return [self.base_cost, *(contrast.cost for contrast in self.contrasts)]

    @cached_property
    def verdict(self) -> Recommendation:
        """What to do, and why."""
        return recommend(self)

    @property
    def decisive(self) -> str:
        """The figure that decides: the first useful metric with a value, or the parse rate where there is none."""
        return self.headline[min(1, len(self.headline) - 1)]

    @property
    def unmeasured(self) -> list[str]:
        """The useful figures that come before the decisive one, but have no value to decide by."""
        useful = [figures.USEFUL + metric.name for metric in self.metrics if metric.useful]
        return useful[: useful.index(self.decisive)] if self.decisive in useful else useful

    @property
    def tests(self) -> int:
        """How many p-values Holm's correction is over."""
        return sum(not math.isnan(p) for contrast in self.contrasts for p in contrast.adjusted.values())

    @property
    def margin(self) -> float:
        """The loss of the quality metric that is borne, in its own units."""
        return self.thresholds.margin * (1.0 if self.scale is None else self.scale.span)

    @property
    def bounds(self) -> dict[str, Bounds]:
        """Lowest and highest possible value of a column, where they are known."""
        return figures.bounds(self.metrics)

    @cached_property
    def kinds(self) -> list[dict[str, int]]:
        """Each arm's failure table over the paired samples, every kind, zeros included."""
        return [table.counts() for table in self.pairing.tables]

    @property
    def speeds_compare(self) -> bool:
        """Whether all arms ran on one machine and one engine, and made their answers."""
        return same_machine(self.arms)

    @cached_property
    def unlike(self) -> dict[str, list[tuple[str, str]]]:
        """`spacing` and `engine` where constrained arms differ in it, and what each of them has."""
        setups = {arm.name: ArmSetup.of(arm) for arm in self.arms if arm.constraint != "none"}
        found = {
            what: [(name, str(getattr(own, what) or "unknown")) for name, own in setups.items()]
            for what in _OF_CONSTRAINTS
        }
        return {what: pairs for what, pairs in found.items() if len({value for _, value in pairs}) > 1}

    def __repr__(self) -> str:
        names = ", ".join(repr(arm.name) for arm in self.arms)
        return f"Comparison({names}, samples={len(self.pairing.keys)})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the headline figures of every arm, and the differences from the baseline."""
        from listeval.comparison.frame import headline_table

        return headline_table(self)

    def frame(self) -> pandas.DataFrame:
        """One row an arm and figure: value with interval, and for all but the baseline the paired difference.

        Differences are arm minus baseline, in the figure's own units; NaN where nothing was measured or tested.
        Raises UserError where pandas is not installed.
        """
        from listeval.comparison.frame import comparison_frame

        return comparison_frame(self)

    def to_json(self) -> dict[str, Any]:
        """JSON values; NaN and infinity become null. `compare --json` prints this and the verdict's sentence."""
        return to_json(self)
