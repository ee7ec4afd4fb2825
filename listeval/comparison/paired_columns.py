"""Columns of paired samples: those of each arm over the same samples, and the subset that parses in every arm.

`common_<metric>` is over the samples that parse in every arm (the paper's common parsed subset), so that an arm cannot
look better by failing the hard ones. Arms in which nothing parses do not empty the subset; they have no value. A metric
without a prefix is over each arm's own parsed answers: different samples in each arm, so no difference is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from listeval.runs.figures import columns as figures
from listeval.runs.figures.columns import COMMON, FMC, PARSE_RATE, TOKENS, USEFUL, Columns
from listeval.runs.figures.row_table import RowTable
from listeval.stats.intervals import Floats
from listeval.task import Metric

COMPARED = (PARSE_RATE, FMC)
"""The rates of a comparison. Whether an answer is bare is of one run's texts: a repaired arm has none of its own."""


def columns(tables: Sequence[RowTable], metrics: Sequence[Metric], *, has_ids: bool = True) -> list[Columns]:
    """Each arm's columns over the same samples; there is no FMC of answers that have no ids."""
    common = common_parsed([table.parsed for table in tables])
    rates = [name for name in COMPARED if has_ids or name != FMC]
    return [_of_arm(table, common, metrics, rates) for table in tables]


def common_parsed(parsed: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """(samples,): parses in every arm that parses anything."""
    able = [ok for ok in parsed if ok.any()]
    return np.logical_and.reduce(able) if able else np.zeros(len(parsed[0]), dtype=bool)


def _of_arm(table: RowTable, common: NDArray[np.bool_], metrics: Sequence[Metric], rates: Sequence[str]) -> Columns:
    own = figures.scores(table, metrics)
    return {
        **figures.rates(table, rates),
        **figures.useful(table, metrics),
        **{COMMON + name: np.where(common, column, np.nan) for name, column in own.items()},
        **own,
        # As `Cost.tokens`: of an arm that does not tell all of them none is taken.
        TOKENS: np.full(len(table), np.nan) if np.isnan(table.spent).any() else table.spent,
    }


def headline(metrics: Sequence[Metric], table: Sequence[Columns]) -> tuple[str, ...]:
    """The figures that are tested: the parse rate, and for the first useful metric that can differ its two fair forms.

    A useful metric is one that counts a failure as zero, so more of it is better; of others that is not known. `table`
    has each arm's columns: a metric can differ if every arm has a value on some sample on which the baseline has one.
    The zeros of broken contracts alone are no such values where an answer that parses has none. Which values these are
    is not looked at.
    """
    parsing = [own for own in table if own[PARSE_RATE].any()]

    def measured(metric: str) -> bool:
        useful = [own[USEFUL + metric] for own in table]
        worth = not parsing or any(not np.isnan(own[metric]).all() for own in parsing)
        return worth and all(_paired(useful[0], own) for own in useful)

    first = figures.first_useful(metrics, measured)
    return (PARSE_RATE,) if first is None else (PARSE_RATE, USEFUL + first, COMMON + first)


def _paired(base: Floats, own: Floats) -> bool:
    """Whether both have a value on one sample; (samples,) each."""
    return not bool(np.isnan(base + own).all())
