"""What an arm costs: time, tokens, and what its constraint took. A figure that a run did not record is None."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from listeval.comparison.arms import Arm
from listeval.comparison.training import Training, training
from listeval.comparison.ways import ArmSetup
from listeval.runs.figures.row_table import RowTable
from listeval.stats.intervals import Floats


@dataclass(frozen=True)
class Cost:
    """Figures of one arm. Seconds are wall time from the first request to the last row, over all finished attempts."""

    tokens_per_second: float | None
    seconds_per_1000: float | None
    """Seconds for 1,000 answers."""
    tokens: float | None
    """Generated tokens an answer, over the paired samples; of one that was asked again, over all its attempts. None
    where those of one answer are unknown."""
    prompt_tokens: float | None
    compile_ms: float | None
    """Milliseconds to compile the constraint of one answer (median)."""
    masked: float | None
    """Mean probability mass that the constraint took away at a step."""
    training: Training | None = None
    """What the arm's weights cost beyond the baseline's; None where no file tells."""


def cost(arm: Arm, table: RowTable, base: Arm) -> Cost:
    """The cost of an arm whose paired rows are in `table`; a repair costs what its run cost."""
    attempts = arm.run.manifest.attempts
    seconds, made = sum(a.seconds for a in attempts), sum(a.rows for a in attempts)
    return Cost(
        tokens_per_second=arm.run.tokens_per_second,
        seconds_per_1000=1000 * seconds / made if made and seconds else None,
        tokens=_whole_mean(table.spent),
        prompt_tokens=_whole_mean(table.prompt_spent),
        compile_ms=_recorded(arm, "compile_ms"),
        masked=_mean(table.masked[~np.isnan(table.masked)].tolist()),
        training=None if ArmSetup.of(arm).weights == ArmSetup.of(base).weights else training(arm, base),
    )


def _recorded(arm: Arm, name: str) -> float | None:
    """A number that the backend recorded of its constraint; None where there is none."""
    value = arm.run.manifest.backend.constraint.get(name)
    return float(value) if isinstance(value, int | float) else None


def _whole_mean(column: Floats) -> float | None:
    """Of (n,) values, None where one of them is NaN: what lacks is no sample of what is there."""
    return None if np.isnan(column).any() else float(column.mean())


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
