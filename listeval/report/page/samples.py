"""The samples of a page: what they are of, and which come first where not all have room.

A sample is one question; every arm or run has one cell for it, its row, or nothing where it did not ask that question.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from listeval.runs.figures.row_table import ABSENT, RowTable

if TYPE_CHECKING:
    from listeval.comparison import Arm, Comparison
    from listeval.runs import Run
    from listeval.runs.stored_row import StoredRow

RightAnswer = Callable[[Mapping[str, Any]], str | None]
"""The right answer to a target as text; None where there is none, or it is not to be had."""

SHOWN_FIRST = 200
"""Samples that stand for every kind and every change of kind; they get room first."""
_EACH = 2
"""Samples for every (arm, kind) and every change of kind, as far as there is room."""
_LIST = "KeyedList"
"""The contract whose answers rank items: the order counts there, not the numbers."""


class SampleKey(NamedTuple):
    """What a sample is called."""

    example: str
    seed: int


@dataclass(frozen=True)
class Samples:
    """`rows` are (arms, samples), None where an arm has no such sample; lists by arm are in the order of `names`."""

    names: Sequence[str]
    paths: Sequence[str]
    """The run of each arm, for the command that shows what a page has no room for."""
    keys: Sequence[SampleKey]
    rows: Sequence[Sequence[StoredRow | None]]
    tables: Sequence[RowTable]
    """Of each arm's rows."""
    right: Sequence[RightAnswer | None]
    paired: bool
    """Whether the first arm is a baseline."""
    ranked: bool
    """Whether answers rank items, so that the order of their scores is right or wrong, and not the scores."""
    raw: Mapping[str, str] = field(default_factory=dict)
    """Text before its repair, by the key of a repaired row."""


def of_comparison(comparison: Comparison, right: RightAnswer | None) -> Samples:
    """The paired samples."""
    return Samples(
        names=[arm.name for arm in comparison.arms],
        paths=[str(arm.run.path) for arm in comparison.arms],
        keys=[SampleKey(key.example, key.seed) for key in comparison.pairing.keys],
        rows=comparison.pairing.rows,
        tables=comparison.pairing.tables,
        right=[right] * len(comparison.arms),
        paired=True,
        ranked=comparison.base.run.manifest.task.contract == _LIST,
        raw={key: text for arm in comparison.arms for key, text in _before_repair(arm)},
    )


def _before_repair(arm: Arm) -> list[tuple[str, str]]:
    if arm.repairs is None:
        return []
    pairs = zip(arm.run.stored, arm.rows, strict=True)
    return [(f"{arm.name}\0{old.key}", old.text) for old, new in pairs if old.text != new.text]


def of_runs(runs: Sequence[Run], right: Sequence[RightAnswer | None]) -> Samples:
    """Every sample of any run; rows of one example, seed and target stand side by side."""
    places: dict[tuple[str, int, str], int] = {}
    cells: list[dict[int, StoredRow]] = []
    for run in runs:
        own: dict[int, StoredRow] = {}
        for row in run.stored:
            target = json.dumps(row.target, sort_keys=True) if len(runs) > 1 else ""
            own[places.setdefault((row.example, row.seed, target), len(places))] = row
        cells.append(own)
    rows = [[own.get(place) for place in range(len(places))] for own in cells]
    return Samples(
        names=names_of(runs),
        paths=[str(run.path) for run in runs],
        keys=[SampleKey(example, seed) for example, seed, _ in places],
        rows=rows,
        tables=[RowTable.of(own) for own in rows],
        right=right,
        paired=False,
        ranked=all(run.manifest.task.contract == _LIST for run in runs),
    )


def names_of(runs: Sequence[Run]) -> list[str]:
    """Each run by its directory's name, with as many parents as tell them apart."""
    paths = [run.path.resolve() for run in runs]
    depth, most = 1, max(len(path.parts) for path in paths)
    while depth < most and len({path.parts[-depth:] for path in paths}) < len(set(paths)):
        depth += 1
    return ["/".join(path.parts[-depth:]) for path in paths]


def by_importance(samples: Samples, most: int = SHOWN_FIRST) -> list[int]:
    """Places of all samples: first some that stand for all, then those with a failure, then the others."""
    first = representatives(samples.tables, most)
    rest = np.ones(len(samples.keys), dtype=bool)
    rest[first] = False
    failed = np.logical_or.reduce([~table.parsed & (table.kinds != ABSENT) for table in samples.tables])
    return [*first, *np.flatnonzero(rest & failed).tolist(), *np.flatnonzero(rest & ~failed).tolist()]


def representatives(tables: Sequence[RowTable], most: int = SHOWN_FIRST) -> list[int]:
    """Places of samples that stand for every kind of every arm and every change of kind, the rest spread evenly.

    The same tables of all arms give the same places.
    """
    n = len(tables[0])
    if n <= most:
        return list(range(n))
    taken: set[int] = set()
    seen: Counter[tuple[int, int, int]] = Counter()
    alike: Counter[tuple[int, ...]] = Counter()
    for place, cells in enumerate(zip(*(table.kinds.tolist() for table in tables), strict=True)):
        alike[cells] += 1
        if alike[cells] > _EACH:
            continue
        found = [(at, cells[0], kind) for at, kind in enumerate(cells)]
        if any(seen[cell] < _EACH for cell in found):
            taken.add(place)
            seen.update(found)
        if len(taken) >= most:
            break
    for step in range(most):
        if len(taken) >= most:
            break
        taken.add(step * n // most)
    return sorted(taken)
