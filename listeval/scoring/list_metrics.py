"""The metrics of scored lists, list by list, from grades and scores by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from numpy import nan

from listeval.scoring.ranking import Floats, kendall_tau, listwise, mae, ndcg_at, padded


def list_metrics(
    grades: Sequence[Mapping[str, float | None]],
    scores: Sequence[Mapping[str, float]],
    cutoffs: tuple[int, ...],
    scale: tuple[float, float] | None = None,
) -> list[dict[str, float]]:
    """`kendall_tau`, `ndcg@K` for each of the `cutoffs`, and `mae` of each list; see `scoring.ranking` for all three.

    Grades and scores are by id, and each list's scores have the ids of its grades. An item without a grade (None)
    gains nothing for NDCG and has no part in the others. For MAE, scores beyond the `scale` of the grades count as
    its nearest end. NaN where a metric is undefined.
    """
    if not grades:
        return []
    given = padded([[score[id] for id in grade] for grade, score in zip(grades, scores, strict=True)])
    known = padded([[nan if value is None else value for value in grade.values()] for grade in grades])
    names = ("kendall_tau", *(f"ndcg@{k}" for k in cutoffs), "mae")
    if any(None in grade.values() for grade in grades):
        gains = padded([[value or 0 for value in grade.values()] for grade in grades])
        near = given if scale is None else given.clip(*scale)
        columns = (kendall_tau(known, given), *ndcg_at(gains, given, cutoffs), mae(known, near))
    else:
        found = listwise(known, given, cutoffs, scale)
        columns = (found.kendall_tau, *found.ndcg, found.mae)
    return by_example(dict(zip(names, columns, strict=True)))


def by_example(columns: Mapping[str, Floats]) -> list[dict[str, float]]:
    """Columns of metrics, each (n,), as what `Task.score` returns: one dict for each of the n examples."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*(c.tolist() for c in columns.values()), strict=True)]
