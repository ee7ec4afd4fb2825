"""What of runs a report shows: figures that mean something for their contract, kinds that occur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from listeval.contract import Kind
from listeval.runs.figures.columns import FMC, RAW

if TYPE_CHECKING:
    from listeval.runs import Run


def metrics_to_show(runs: Sequence[Run]) -> list[str]:
    """Names of the figures of all runs; FMC only where a run's answers may have ids."""
    has_ids = any(run.manifest.task.has_ids for run in runs)
    names = dict.fromkeys(name for run in runs for name in run.summary.metrics)
    return [name for name in names if has_ids or name.removeprefix(RAW) != FMC]


def kinds_to_show(runs: Sequence[Run], *, all_kinds: bool = False) -> list[Kind]:
    """Kinds that occur in a run, in its first answers too, and `ok` always; with `all_kinds` every one."""
    tables = [table for run in runs for table in (run.summary.kinds, run.summary.raw_kinds or {})]
    return [kind for kind in Kind if all_kinds or kind is Kind.OK or any(table.get(kind, 0) for table in tables)]
