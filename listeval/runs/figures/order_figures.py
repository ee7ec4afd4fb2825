"""What the order of a list's items in the prompt does to the answers: figures of a run with `order=shuffled`.

Every seed of such a run asks about the same lists in another order (`listeval.kit.order`), so whatever follows the
order is not the items' doing. Only answers that keep their contract are looked at.

- `rank_stability`: Kendall's tau-b (Kendall 1945) between the scores that the same items get under two orders, the mean
  over all pairs of different orders of a list, then over lists. 1: the order changes no rank; 0: the ranks have
  nothing in common. Two answers that both rank nothing have no tau. Sampling lowers it too, so decode greedily.
- `position_slope`: least-squares slope, in points of the score, of (score - the gold answer's score) over the place in
  the prompt, from 0 (first) to 1 (last): what an item gains by standing last instead of first. Scores beyond what the
  prompt promises count as its ends.
- `first_place_gain`: how often the item that stands first gets the top score, less how often the gold answer gives it
  that; tied items share the top. Without a bias both figures are 0 on average, whatever the items are.

Position bias by permuted inputs: Wang et al. 2023 (arXiv 2305.17926); of list rankers: Tang et al. 2023
(arXiv 2310.07712).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from listeval.contract import KeyedList, Kind, Parsed
from listeval.kit.order import ListOptions
from listeval.runs.figures.columns import Columns
from listeval.runs.rows import Row, unit
from listeval.scoring.ranking import Floats, kendall_tau, padded
from listeval.stats.intervals import Bounds, Interval, mean_intervals
from listeval.task import Task

STABILITY, SLOPE, FIRST = "rank_stability", "position_slope", "first_place_gain"
BOUNDS: Mapping[str, Bounds] = {STABILITY: (-1.0, 1.0), FIRST: (-1.0, 1.0)}


class OrderEffect(NamedTuple):
    """`figures` by name, and by place in the prompt (first to last) the mean of score less gold score."""

    figures: Mapping[str, Interval]
    places: Sequence[Interval]

    def to_json(self) -> dict[str, Any]:
        """JSON values; what is not finite becomes null."""
        figures = {name: _json(value) for name, value in self.figures.items()}
        return {**figures, "places": [_json(value) for value in self.places]}


class _Ranking(NamedTuple):
    """One answer: `ids` in the order of the prompt, and the scores that answer and gold give them."""

    row: int
    ids: tuple[str, ...]
    scores: tuple[float, ...]
    gold: tuple[float, ...]
    scale: tuple[float, float]


def is_shuffled(task: Task) -> bool:
    """Whether the task's options let the seed draw the order of each list's items."""
    return isinstance(task.options, ListOptions) and task.options.order == "shuffled"


def order_effect(task: Task, rows: Sequence[Row]) -> OrderEffect | None:
    """The figures with 95 % intervals over clusters of lists; None for a run whose order is not shuffled.

    Raises whatever the task raises.
    """
    if not is_shuffled(task):
        return None
    found = _rankings(task, rows)
    clusters = [unit(row["cluster"], row["example"]) for row in rows]
    excess = _excess(found)
    by_place = {str(place): _spread(excess[:, place], found, len(rows)) for place in range(excess.shape[1])}
    columns = mean_intervals({**_columns(found, rows), **by_place}, clusters, bounds=BOUNDS)
    places = [columns.pop(place) for place in by_place]
    return OrderEffect(columns, places)


def order_columns(task: Task, rows: Sequence[Row]) -> Columns:
    """(n,) for each figure, NaN where a row has none; a list's stability stands at its first row.

    Empty for a run whose order is not shuffled. Raises whatever the task raises.
    """
    return _columns(_rankings(task, rows), rows) if is_shuffled(task) else {}


def _columns(found: Sequence[_Ranking], rows: Sequence[Row]) -> Columns:
    return {
        STABILITY: _stability(found, rows),
        SLOPE: _spread(_slopes(_excess(found)), found, len(rows)),
        FIRST: _spread(_first(found), found, len(rows)),
    }


def _rankings(task: Task, rows: Sequence[Row]) -> list[_Ranking]:
    found = []
    for at, row in enumerate(rows):
        if row["kind"] == Kind.OK and row["outcome"] == "scored":
            contract = task.contract(row["target"])
            if isinstance(contract, KeyedList) and (gold := _gold(task, contract, row)):
                field, golden = gold
                given = {_of(item, contract.key): float(_of(item, field)) for item in row["value"]}
                scores = tuple(given[name] for name in contract.ids)
                found.append(_Ranking(at, contract.ids, scores, golden, contract.scale))
    return found


def _gold(task: Task, contract: KeyedList[Any], row: Row) -> tuple[str, tuple[float, ...]] | None:
    """The field that scores an item, and the gold answer's scores by place; None where no field is a number."""
    parsed = contract.parse(task.gold(row["target"]), "stop", None)
    if not isinstance(parsed, Parsed):
        raise ValueError("the gold answer does not keep its own contract")
    items = {_of(item, contract.key): item for item in parsed.value}
    for field in contract.item.model_fields:
        values = [_of(items[name], field) for name in contract.ids]
        if field != contract.key and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            return field, tuple(map(float, values))
    return None


def _of(item: Any, field: str) -> Any:
    """A field of an answer's item, which is a JSON object in a stored row and a model in a fresh one."""
    return item[field] if isinstance(item, Mapping) else getattr(item, field)


def _excess(found: Sequence[_Ranking]) -> Floats:
    """(answers, places): score less gold score, NaN beyond a shorter list."""
    if not found:
        return np.empty((0, 0))
    return padded([np.clip(one.scores, *one.scale) - np.clip(one.gold, *one.scale) for one in found])


def _slopes(excess: Floats) -> Floats:
    """(answers,): NaN for a list of one."""
    sizes = (~np.isnan(excess)).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        place = np.arange(excess.shape[1]) / (sizes[:, None] - 1.0) - 0.5
        place = np.where(np.isnan(excess), 0.0, place)
        slopes: Floats = (place * np.nan_to_num(excess)).sum(1) / (place**2).sum(1)
    return np.where(sizes > 1, slopes, np.nan)


def _first(found: Sequence[_Ranking]) -> Floats:
    return np.array([_top_share(one.scores) - _top_share(one.gold) for one in found])


def _top_share(scores: Sequence[float]) -> float:
    """The first item's share of the top place."""
    top = max(scores)
    return 1.0 / scores.count(top) if scores[0] == top else 0.0


def _stability(found: Sequence[_Ranking], rows: Sequence[Row]) -> Floats:
    """(rows,): a list's mean tau at its first row."""
    lists: dict[str, list[_Ranking]] = {}
    for one in found:
        lists.setdefault(rows[one.row]["example"], []).append(one)
    pairs = [(a, b) for own in lists.values() for a, b in combinations(own, 2) if _reordered(a, b)]
    column = np.full(len(rows), np.nan)
    if not pairs:
        return column
    before = padded([a.scores for a, _ in pairs])
    after = padded([_by_id(b, a.ids) for a, b in pairs])
    by_list: dict[str, list[float]] = {}
    for (a, _), tau in zip(pairs, _tau(before, after).tolist(), strict=True):
        by_list.setdefault(rows[a.row]["example"], []).append(tau)
    for name, taus in by_list.items():
        known = [tau for tau in taus if tau == tau]
        column[lists[name][0].row] = sum(known) / len(known) if known else np.nan
    return column


def _reordered(a: _Ranking, b: _Ranking) -> bool:
    return a.ids != b.ids and set(a.ids) == set(b.ids)


def _by_id(one: _Ranking, ids: Sequence[str]) -> list[float]:
    scores = dict(zip(one.ids, one.scores, strict=True))
    return [scores[name] for name in ids]


def _tau(one: Floats, other: Floats) -> Floats:
    """(pairs,): tau-b, 0 where one side ranks nothing, NaN where neither ranks anything."""
    forth, back = kendall_tau(one, other), kendall_tau(other, one)
    return np.where(np.isnan(forth), back, forth)


def _spread(values: Floats, found: Sequence[_Ranking], n: int) -> Floats:
    """Values of answers as a column of all rows."""
    column = np.full(n, np.nan)
    if found:
        column[[one.row for one in found]] = values
    return column


def _json(value: Interval) -> dict[str, float | None]:
    return {name: x if math.isfinite(x) else None for name, x in value._asdict().items()}
