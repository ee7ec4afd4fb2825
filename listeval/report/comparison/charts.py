"""What the page draws, as numbers: bars with intervals, stacked kinds, the migration matrix. Shares are 0 to 100."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from listeval.contract import Kind
from listeval.report.comparison.tables import able, mark
from listeval.runs.figures import numbers, words

if TYPE_CHECKING:
    from listeval.comparison import Comparison, Contrast
    from listeval.stats.intervals import Interval


class ArmBar(NamedTuple):
    """One arm's figure: the bar from 0 to `share`, its interval, and the words beside it. NaN draws nothing."""

    mark: str
    name: str
    share: float
    low: float
    high: float
    text: str
    change: str = "baseline"
    change_at: float = math.nan
    change_low: float = math.nan
    change_high: float = math.nan
    shown: bool = False


class BarPanel(NamedTuple):
    """Bars of one figure; the words at even distances under its axis and under that of the differences."""

    title: str
    note: str
    bars: list[ArmBar]
    axis: tuple[str, ...]
    change_axis: tuple[str, ...]


class KindShare(NamedTuple):
    """A stretch of a stacked bar."""

    kind: str
    n: int
    start: float
    share: float


class Stack(NamedTuple):
    """One arm's failure kinds, summing to 100."""

    mark: str
    name: str
    parts: list[KindShare]


class Matrix(NamedTuple):
    """Baseline kinds (rows) by an arm's kinds (columns), only kinds that occur; `cells` are (rows, columns)."""

    at: int
    mark: str
    name: str
    rows: list[str]
    columns: list[str]
    cells: list[list[int]]
    largest: int


def panels(comparison: Comparison) -> list[BarPanel]:
    """The headline figures that are between 0 and 1, with their differences from the baseline."""
    notes = {
        "parse_rate": "share of answers that keep their contract",
        "useful": "failures count zero",
        "common": f"the {comparison.common:,} samples that parse in every arm{able(comparison)}",
    }
    return [
        BarPanel(words.title(name), notes.get(name) or notes[name.split("_")[0]], _bars(comparison, name), *_axes(name))
        for name in comparison.headline
        if _on_unit_axis(comparison, name)
    ]


def _axes(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if numbers.is_rate(name):
        return ("0", "25", "50", "75", "100 %"), ("-100", "0", "+100 points")
    return ("0", "0.25", "0.5", "0.75", "1"), ("-1", "0", "+1")


def _bars(comparison: Comparison, name: str) -> list[ArmBar]:
    return [_bar(comparison, place, name) for place in range(len(comparison.arms))]


def _on_unit_axis(comparison: Comparison, name: str) -> bool:
    found = [value for arm in comparison.values for value in arm[name] if not math.isnan(value)]
    return bool(found) and min(found) >= 0 and max(found) <= 1


def _bar(comparison: Comparison, place: int, name: str) -> ArmBar:
    value = comparison.values[place][name]
    arm, contrast = comparison.sides[place]
    bar = ArmBar(mark(place), arm.name, *_percent(value), numbers.interval(name, value))
    if contrast is None:
        return bar
    d = contrast.differences[name]
    p = contrast.adjusted.get(name, math.nan)
    said = numbers.change(name, d.difference) + numbers.points(name)
    # Differences lie between -1 and 1; their axis is twice as wide as that of the figures.
    value_at, low, high = (50 + 50 * x for x in d.difference)
    return bar._replace(
        change=f"{said}, p {numbers.probability(p)}" if numbers.probability(p) else said,
        change_at=value_at,
        change_low=low,
        change_high=high,
        shown=p <= comparison.thresholds.alpha,
    )


def _percent(value: Interval) -> tuple[float, float, float]:
    return 100 * value.value, 100 * value.low, 100 * value.high


def stacks(comparison: Comparison) -> list[Stack]:
    """Each arm's kinds in the taxonomy's order."""
    n = len(comparison.pairing.keys)
    found = []
    for at, counts in enumerate(comparison.kinds):
        parts, start = [], 0.0
        for kind, count in counts.items():
            if count:
                parts.append(KindShare(kind, count, start, 100 * count / n))
                start += 100 * count / n
        found.append(Stack(mark(at), comparison.arms[at].name, parts))
    return found


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
