"""Figures of paired samples as columns: one value a sample, NaN where it has none.

- `parse_rate`, `fmc`: 0 or 1 for every sample.
- `useful_<metric>`: every sample, zero where the contract is broken.
- `common_<metric>`: only samples that parse in every arm (the paper's common parsed subset), so that an arm cannot
  look better by failing the hard ones. Arms in which nothing parses do not empty the subset; they have no value.
- `<metric>`: each arm's own parsed answers. Different samples in each arm, so no difference is taken.
- `tokens`: generated tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from listeval.contract import Kind
from listeval.runs.rows import Row
from listeval.stats.intervals import Bounds, Floats
from listeval.task import Metric

RATES = ("parse_rate", "fmc")
TOKENS = "tokens"
Columns = dict[str, Floats]


def columns(rows: Sequence[Sequence[Row]], metrics: Sequence[Metric]) -> list[Columns]:
    """Each arm's columns over the same samples; `rows` are (arms, samples)."""
    parsed = [np.array([row["kind"] == Kind.OK for row in arm], dtype=bool) for arm in rows]
    common = common_parsed(parsed)
    return [_of_arm(arm, ok, common, metrics) for arm, ok in zip(rows, parsed, strict=True)]


def common_parsed(parsed: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """(samples,): parses in every arm that parses anything."""
    able = [ok for ok in parsed if ok.any()]
    return np.logical_and.reduce(able) if able else np.zeros(len(parsed[0]), dtype=bool)


def _of_arm(
    rows: Sequence[Row], ok: NDArray[np.bool_], common: NDArray[np.bool_], metrics: Sequence[Metric]
) -> Columns:
    found: Columns = {
        "parse_rate": ok.astype(np.float64),
        "fmc": np.array([row["kind"] == Kind.MISSING_ID and row["missing"] == 1 for row in rows], dtype=np.float64),
    }
    own = {metric.name: np.array([_score(row, metric.name) for row in rows]) for metric in metrics}
    found |= {f"useful_{m.name}": np.where(ok, own[m.name], 0.0) for m in metrics if m.useful}
    found |= {f"common_{name}": np.where(common, column, np.nan) for name, column in own.items()}
    return found | own | {TOKENS: np.array([spent(row, "n_tokens") for row in rows], dtype=np.float64)}


def _score(row: Row, name: str) -> float:
    value = row["scores"].get(name)
    return math.nan if value is None else value


def spent(row: Row, name: Literal["n_tokens", "n_prompt_tokens"]) -> int:
    """Tokens that a sample took: of all its attempts, where it was asked more than once."""
    tried = row.get("attempts")
    if isinstance(tried, Sequence) and tried:
        return sum(int(attempt[name]) for attempt in tried)
    return row[name]


def bounds(metrics: Sequence[Metric]) -> dict[str, Bounds]:
    """Lowest and highest possible value of a column, where they are known."""
    known = {metric.name: metric.bounds for metric in metrics if metric.bounds is not None}
    useful = {f"useful_{name}": (min(0.0, low), max(0.0, high)) for name, (low, high) in known.items()}
    return known | useful | {f"common_{name}": pair for name, pair in known.items()}


def headline(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """The figures that are tested: the parse rate, and for the task's first useful metric its two fair forms.

    A useful metric is one that counts a failure as zero, so more of it is better; of others that is not known.
    """
    first = next((metric.name for metric in metrics if metric.useful), None)
    return ("parse_rate",) if first is None else ("parse_rate", f"useful_{first}", f"common_{first}")
