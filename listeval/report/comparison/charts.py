"""What the page draws, as numbers: bars with intervals and differences, stacked kinds, the migration matrix."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from listeval.contract import Kind
from listeval.report.comparison.tables import common_samples, mark, untested
from listeval.report.page.bars import BarPanel, Named, panel
from listeval.report.page.stacks import Stack, stack
from listeval.report.page.wide import WideTable, figure_cell, titles
from listeval.runs.figures import as_text, words
from listeval.runs.figures.columns import bounds_of

if TYPE_CHECKING:
    from listeval.comparison import Comparison, Contrast

_HEATS = 10
"""Shades of a matrix cell."""


class Matrix(NamedTuple):
    """Baseline kinds (rows) by an arm's kinds (columns), only kinds that occur; `cells` are (rows, columns)."""

    at: int
    mark: str
    name: str
    rows: list[str]
    columns: list[str]
    cells: list[list[int]]
    largest: int

    def heat(self, n: int) -> int:
        """The shade of a count, 0 to 9."""
        return min(_HEATS - 1, int(_HEATS * math.sqrt(n / self.largest)))


def panels(comparison: Comparison) -> list[BarPanel]:
    """The headline figures with their differences from the baseline; each axis fits what stands on it."""
    notes = {
        "parse_rate": "share of answers that keep their contract",
        "useful": "failures count zero",
        "common": common_samples(comparison),
    }
    return [
        panel(
            name,
            words.title(name),
            notes.get(name) or notes[name.split("_")[0]],
            _rows(comparison, name),
            bounds_of(name, comparison.bounds)[1],
        )
        for name in comparison.headline
        if not all(math.isnan(values[name].value) for values in comparison.values)
    ]


def _rows(comparison: Comparison, name: str) -> list[Named]:
    return [_row(comparison, place, name) for place in range(len(comparison.arms))]


def _row(comparison: Comparison, place: int, name: str) -> Named:
    arm, contrast = comparison.sides[place]
    row = Named(mark(place), arm.name, comparison.values[place][name])
    if contrast is None:
        return row
    d = contrast.differences[name]
    p = contrast.adjusted.get(name, math.nan)
    said = as_text.change(name, d.difference) + as_text.points(name)
    text = f"{said}, p {as_text.probability(p)}" if as_text.probability(p) else said
    return row._replace(change=d.difference, change_text=text, shown=p <= comparison.thresholds.alpha)


def stacks(comparison: Comparison) -> list[Stack]:
    """Each arm's kinds, summing to 100."""
    pairs = enumerate(zip(comparison.arms, comparison.kinds, strict=True))
    return [stack(mark(at), arm.name, at, counts) for at, (arm, counts) in pairs]


def others(comparison: Comparison) -> WideTable:
    """The figures that are not tested: a row an arm, a column a figure."""
    names = untested(comparison)
    rows = []
    for at, (arm, contrast) in enumerate(comparison.sides):
        own = {} if contrast is None else contrast.differences
        cells = [
            figure_cell(name, comparison.values[at][name], own[name].difference if name in own else None)
            for name in names
        ]
        rows.append((mark(at), arm.name, cells))
    note = (
        "Not tested. Below each value its interval, then the difference from the baseline. A metric without a prefix "
        "is over each arm's own parsed answers, so it has no difference."
    )
    return WideTable("Other figures", titles(names), rows, note)


def matrices(comparison: Comparison) -> list[Matrix]:
    """One for each arm but the baseline."""
    return [_matrix(place, contrast) for place, contrast in enumerate(comparison.contrasts, 1)]


def _matrix(place: int, contrast: Contrast) -> Matrix:
    found = contrast.migrations
    rows = [kind.value for kind in Kind if any(before == kind for before, _ in found)]
    columns = [kind.value for kind in Kind if any(after == kind for _, after in found)]
    cells = [[found.get((before, after), 0) for after in columns] for before in rows]
    return Matrix(place, mark(place), contrast.arm.name, rows, columns, cells, max(found.values()))


def present(comparison: Comparison) -> list[str]:
    """Kinds that occur in any arm, in the taxonomy's order."""
    return [kind.value for kind in Kind if any(counts[kind] for counts in comparison.kinds)]
