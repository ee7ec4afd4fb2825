"""`compare`: arms joined, every figure with its interval, every difference paired."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from listeval.comparison.arms import Arm, open_arms
from listeval.comparison.chance import Chance, chance
from listeval.comparison.contrasts import Guard, Guarding, QualityScale, ResamplingSettings, differences, guards
from listeval.comparison.cost import cost
from listeval.comparison.factorial import factorial
from listeval.comparison.order_effects import with_order
from listeval.comparison.paired_columns import COMPARED, columns, common_parsed, headline
from listeval.comparison.pairing import Pairing, pair
from listeval.comparison.result import DEFAULTS, Comparison, Contrast
from listeval.comparison.thresholds import Thresholds
from listeval.comparison.ways import keeps_parsed_answers, two_by_twos
from listeval.runs.collector import collector_paused
from listeval.runs.damage import located
from listeval.runs.figures.columns import COMMON, USEFUL, Columns, bounds
from listeval.runs.figures.order_figures import BOUNDS, FIRST, SLOPE, STABILITY
from listeval.runs.figures.row_table import KINDS, RowTable
from listeval.stats.intervals import Clusters, Interval, mean_intervals, rate_interval
from listeval.stats.paired import Difference, holm
from listeval.task import Metric

_DRAWS = 6e6
"""Resamples times clusters, about 0.15 s: 10,000 resamples for up to 600 clusters, never fewer than 2,000."""


@collector_paused()
def compare(
    runs: Sequence[str | Path],
    *,
    across_prompts: bool = False,
    thresholds: Thresholds = DEFAULTS,
    seed: int = 0,
    resamples: int | None = None,
) -> Comparison:
    """Compare runs on the samples that all of them answered; the first is the baseline.

    A run is a directory, or `DIRECTORY+permutation` for its answers repaired (`listeval.contract.repair`).
    `resamples` of the bootstrap: 10,000, fewer (at least 2,000) for more than 600 clusters. Raises UserError for what
    cannot be compared: see `open_arms` and `pair`.
    """
    arms = open_arms(runs)
    return compare_arms(arms, across_prompts=across_prompts, thresholds=thresholds, seed=seed, resamples=resamples)


def compare_arms(
    arms: Sequence[Arm],
    *,
    across_prompts: bool = False,
    thresholds: Thresholds = DEFAULTS,
    seed: int = 0,
    resamples: int | None = None,
) -> Comparison:
    """`compare` of arms that are open already."""
    pairing = pair(arms, across_prompts=across_prompts)
    metrics = _shared_metrics(arms)
    table = columns(pairing.tables, metrics, has_ids=any(arm.run.manifest.task.has_ids for arm in arms))
    names = headline(metrics, table)
    table, pairing = with_order(arms, table, pairing)
    draws = ResamplingSettings(resamples or int(min(10_000, max(2_000, _DRAWS / pairing.n_clusters))), seed)
    metric = names[1].removeprefix(USEFUL) if len(names) > 1 else None
    with located([arms[0].run.path]):
        targets = [row.target for row in pairing.rows[0]]
    luck = chance(arms[0].run.manifest.task, targets, metric)
    scale = _scale(metric, metrics, table, luck)
    base_guard, known = _guards(table, pairing.clusters, scale, thresholds, draws)
    guarding = None if scale is None else Guarding(scale, thresholds.margin * scale.span)
    found = _differences(table, pairing.clusters, metrics, names, draws, guarding, thresholds.level)
    return Comparison(
        arms=arms,
        pairing=pairing,
        metrics=metrics,
        headline=names,
        columns=table,
        values=_values(table, pairing.clusters, metrics, draws, thresholds.level),
        contrasts=_contrasts(arms, pairing, found, adjusted(found, names), known),
        common=int(common_parsed([own.parsed for own in pairing.tables]).sum()),
        base_cost=cost(arms[0], pairing.tables[0], arms[0]),
        scale=scale,
        chance=luck,
        base_guard=base_guard,
        factorials=factorial(
            two_by_twos(arms), table, names, pairing.clusters,
            bounds=bounds(metrics), draws=draws, guarding=guarding, level=thresholds.level,
        ),
        thresholds=thresholds,
        resamples=draws.resamples,
        seed=seed,
        across_prompts=across_prompts,
    )  # fmt: skip


def _contrasts(
    arms: Sequence[Arm],
    pairing: Pairing,
    found: Sequence[Mapping[str, Difference]],
    chances: Sequence[Mapping[str, float]],
    known: Sequence[Guard | None],
) -> list[Contrast]:
    """One for each arm but the first; all sequences but `arms` and the pairing's rows leave the first out."""
    (base, *others), (before, *after), (rows, *rows_after) = arms, pairing.tables, pairing.rows
    same = [keeps_parsed_answers(arm, base, own, rows) for arm, own in zip(others, rows_after, strict=True)]
    return [
        Contrast(
            arm,
            _by_construction(own) if unchanged else own,
            p,
            _migrations(before, table),
            cost(arm, table, base),
            guard,
            unchanged,
        )
        for arm, table, own, p, guard, unchanged in zip(others, after, found, chances, known, same, strict=True)
    ]


def _by_construction(found: Mapping[str, Difference]) -> dict[str, Difference]:
    """Of an arm that leaves every answer that parsed as it was: there is nothing to estimate on common answers."""
    return {
        name: d._replace(difference=Interval(d.difference.value, d.difference.value, d.difference.value))
        if name.startswith(COMMON)
        else d
        for name, d in found.items()
    }


def _migrations(before: RowTable, after: RowTable) -> dict[tuple[str, str], int]:
    """(kind before, kind after) -> samples."""
    counted = Counter(zip(before.kinds.tolist(), after.kinds.tolist(), strict=True))
    return {(KINDS[a], KINDS[b]): n for (a, b), n in counted.items()}


def adjusted(found: Sequence[Mapping[str, Difference]], headline: Sequence[str]) -> list[dict[str, float]]:
    """Holm's p of each headline figure of each arm, one family over all of them."""
    family = [(at, name) for at in range(len(found)) for name in headline]
    chances = holm([found[at][name].p for at, name in family])
    out: list[dict[str, float]] = [{} for _ in found]
    for (at, name), p in zip(family, chances, strict=True):
        out[at][name] = p
    return out


def _scale(
    metric: str | None, metrics: Sequence[Metric], table: Sequence[Columns], luck: Chance
) -> QualityScale | None:
    """Of the quality metric; where a bound is not known it is the furthest value that was seen."""
    if metric is None:
        return None
    low, high = bounds(metrics).get(metric, (-math.inf, math.inf))
    seen = np.concatenate([own[metric] for own in table])
    seen = seen[~np.isnan(seen)]
    least, most = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
    known = (least if math.isinf(low) else low, most if math.isinf(high) else high)
    return QualityScale(metric, known, luck.values, unknown=bool(luck.why))


def _guards(
    table: Sequence[Columns],
    clusters: Clusters,
    scale: QualityScale | None,
    thresholds: Thresholds,
    draws: ResamplingSettings,
) -> tuple[Guard | None, list[Guard | None]]:
    """The baseline's own quality, and what is known of the other arms'."""
    if scale is None:
        return None, [None] * (len(table) - 1)
    found = guards(
        {at: (table[0], own) for at, own in enumerate(table)},
        scale,
        clusters,
        margin=thresholds.margin * scale.span,
        draws=draws,
        level=thresholds.guard_level(len(table) - 1),
    )
    return found[0], [found[at] for at in range(1, len(table))]


def _shared_metrics(arms: Sequence[Arm]) -> list[Metric]:
    """The baseline's metrics that every arm was scored by."""
    names = [{metric.name for metric in arm.run.metrics} for arm in arms]
    return [metric for metric in arms[0].run.metrics if all(metric.name in own for own in names)]


def _values(
    table: Sequence[Columns],
    clusters: Clusters,
    metrics: Sequence[Metric],
    draws: ResamplingSettings,
    level: float,
) -> list[dict[str, Interval]]:
    """Each arm's figures; all means of all arms come from the same resamples."""
    compared = [name for name in COMPARED if name in table[0]]
    rates = [{name: rate_interval(own[name], clusters, level=level) for name in compared} for own in table]
    columns = {f"{at} {n}": c for at, own in enumerate(table) for n, c in own.items() if n not in COMPARED}
    known = {**BOUNDS, **bounds(metrics)}
    limits = {f"{at} {name}": pair for at in range(len(table)) for name, pair in known.items()}
    means = mean_intervals(columns, clusters, bounds=limits, seed=draws.seed, resamples=draws.resamples, level=level)
    return [
        {name: rates[at][name] if name in COMPARED else means[f"{at} {name}"] for name in own}
        for at, own in enumerate(table)
    ]


def _differences(
    table: Sequence[Columns],
    clusters: Clusters,
    metrics: Sequence[Metric],
    headline: Sequence[str],
    draws: ResamplingSettings,
    guarding: Guarding | None,
    level: float,
) -> list[dict[str, Difference]]:
    """Each arm against the first; what is over each arm's own parsed answers has none."""
    own = {*(metric.name for metric in metrics), STABILITY, SLOPE, FIRST}
    found = differences(
        {at: (table[0], table[at]) for at in range(1, len(table))},
        [name for name in table[0] if name not in own],
        clusters,
        tested=headline,
        bounds=bounds(metrics),
        draws=draws,
        guarding=guarding,
        level=level,
    )
    return list(found.values())
