"""Several runs, or directories of runs, as one pandas DataFrame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from listeval.runs.data_frames import data_frame
from listeval.runs.row_columns import table
from listeval.runs.store import Run, load_run

if TYPE_CHECKING:
    import pandas


def frame(runs: Run | str | Path | Sequence[Run | str | Path]) -> pandas.DataFrame:
    """One row a sample of one or several runs (or their directories), with what each run is in front.

    Columns: `run`, `task`, `model`, `backend`, `constraint`, then those of `Run.frame`. A metric that a run does not
    have is NaN there. Raises UserError where pandas is not installed or a directory is no run.
    """
    return data_frame(table(opened(runs), named=True))


def opened(runs: Run | str | Path | Sequence[Run | str | Path]) -> list[Run]:
    """Runs, or the directories of runs, one or several. Raises UserError where one is no run."""
    given = [runs] if isinstance(runs, Run | str | Path) else runs
    return [run if isinstance(run, Run) else load_run(run) for run in given]
