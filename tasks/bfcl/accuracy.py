"""Accuracy by category, and the means over categories that the leaderboard reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import fmean

from listeval import Row

from .categories import CATEGORIES, LIVE, NON_LIVE

METRIC = "useful_accuracy"
"""A broken contract is a wrong answer in every figure here, as it is on the leaderboard."""


def figures(rows: Iterable[Row]) -> dict[str, float]:
    """Accuracy of each category that has scored rows, then the means.

    `non_live` is the plain mean of its categories and `live` the mean weighted by their sizes, as in
    the leaderboard's AST summaries (whose `simple` also has Java and JavaScript); `mean` is the plain
    mean of all categories. A mean over one category says nothing new and is left out.
    """
    right: dict[str, list[float]] = {}
    for row in rows:
        if row["outcome"] == "scored":
            right.setdefault(row["target"]["category"], []).append(row["scores"].get("accuracy") or 0.0)
    order = {name: place for place, name in enumerate(CATEGORIES)}
    names = sorted(right, key=lambda name: (order.get(name, len(order)), name))
    found = {f"{METRIC}[{name}]": fmean(right[name]) for name in names}
    return found | {f"{METRIC}[{name}]": value for name, value in _means(right).items()}


def _means(right: Mapping[str, list[float]]) -> dict[str, float]:
    non_live = [fmean(right[name]) for name in NON_LIVE if name in right]
    live = [right[name] for name in LIVE if name in right]
    means = {}
    if len(non_live) > 1:
        means["non_live"] = fmean(non_live)
    if len(live) > 1:
        means["live"] = fmean(value for values in live for value in values)
    if len(right) > 1:
        means["mean"] = fmean(map(fmean, right.values()))
    return means
