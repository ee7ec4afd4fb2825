"""`compare`: arms joined, every figure with its interval, every difference paired, one verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from listeval.comparison import columns as figures
from listeval.comparison.arms import Arm, open_arms
from listeval.comparison.chance import Chance, chance
from listeval.comparison.contrasts import Draws, Guard, Scale, differences, guards
from listeval.comparison.cost import Cost, cost
from listeval.comparison.export import to_json
from listeval.comparison.factorial import Factorial, factorial
from listeval.comparison.pairing import Pairing, pair
from listeval.comparison.speed import same_machine
from listeval.comparison.thresholds import Thresholds
from listeval.comparison.verdict import Verdict, judge
from listeval.comparison.ways import Setup, squares
from listeval.contract import Kind
from listeval.stats.intervals import Bounds, Interval, mean_intervals, rate_interval
from listeval.stats.paired import Difference, holm
from listeval.task import Metric

DEFAULTS = Thresholds()
_OF_CONSTRAINTS = ("spacing", "engine")
_DRAWS = 6e6
"""Resamples times clusters, about 0.15 s: 10,000 resamples for up to 600 clusters, never fewer than 2,000."""


@dataclass(frozen=True)
class Comparison:
    """The arms over the same samples; the first is the baseline. Lists by arm are in the order of `arms`."""

    arms: Sequence[Arm]
    pairing: Pairing
    metrics: Sequence[Metric]
    headline: Sequence[str]
    columns: Sequence[figures.Columns]
    """Each arm's figures sample by sample."""
    values: Sequence[Mapping[str, Interval]]
    differences: Sequence[Mapping[str, Difference]]
    """For each arm but the baseline."""
    adjusted: Sequence[Mapping[str, float]]
    """Holm's p of each headline figure, one family over all arms; as `differences`."""
    common: int
    """Samples that parse in every arm that parses anything."""
    costs: Sequence[Cost]
    scale: Scale | None
    """Of the quality metric that the verdict guards; None where the task has none."""
    chance: Chance
    """What a random order is worth on each sample."""
    guards: Sequence[Guard | None]
    """For each arm but the baseline."""
    own: Guard | None
    """The baseline's own quality, as `guards` have it of the others."""
    factorials: Sequence[Factorial]
    thresholds: Thresholds
    resamples: int
    seed: int

    @property
    def base(self) -> Arm:
        """What the others are compared with."""
        return self.arms[0]

    @cached_property
    def verdict(self) -> Verdict:
        """What to do, and why."""
        return judge(self)

    @property
    def margin(self) -> float:
        """The loss of the quality metric that is borne, in its own units."""
        return self.thresholds.margin * (1.0 if self.scale is None else self.scale.span)

    @property
    def bounds(self) -> dict[str, Bounds]:
        """Lowest and highest possible value of a column, where they are known."""
        return figures.bounds(self.metrics)

    @cached_property
    def kinds(self) -> list[dict[str, int]]:
        """Each arm's failure table over the paired samples, every kind, zeros included."""
        counted = [Counter(row["kind"] for row in rows) for rows in self.pairing.rows]
        return [{kind.value: counts[kind.value] for kind in Kind} for counts in counted]

    @cached_property
    def migrations(self) -> list[dict[tuple[str, str], int]]:
        """For each arm but the baseline: (baseline's kind, arm's kind) -> samples; zeros are left out."""
        first = [row["kind"] for row in self.pairing.rows[0]]
        return [dict(Counter(zip(first, [row["kind"] for row in rows], strict=True))) for rows in self.pairing.rows[1:]]

    @property
    def speeds_compare(self) -> bool:
        """Whether all arms ran on one machine and one engine, and made their answers."""
        return same_machine(self.arms)

    @cached_property
    def unlike(self) -> dict[str, list[tuple[str, str]]]:
        """`spacing` and `engine` where constrained arms differ in it, and what each of them has."""
        setups = {arm.name: Setup.of(arm) for arm in self.arms if arm.constraint != "none"}
        found = {what: [(name, str(getattr(own, what))) for name, own in setups.items()] for what in _OF_CONSTRAINTS}
        return {what: pairs for what, pairs in found.items() if len({value for _, value in pairs}) > 1}

    def to_json(self) -> dict[str, Any]:
        """JSON values; NaN and infinity become null."""
        return to_json(self)


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
    table = figures.columns(pairing.rows, metrics)
    draws = Draws(resamples or int(min(10_000, max(2_000, _DRAWS / pairing.n_clusters))), seed)
    headline = figures.headline(metrics)
    found = _differences(table, pairing.clusters, metrics, headline, draws, thresholds.level)
    metric = headline[1].removeprefix("useful_") if len(headline) > 1 else None
    luck = chance(arms[0].run.manifest.task, pairing.rows[0], metric)
    scale = _scale(metric, metrics, table, luck)
    own, others = _guards(table, pairing.clusters, scale, thresholds, draws)
    return Comparison(
        arms=arms,
        pairing=pairing,
        metrics=metrics,
        headline=headline,
        columns=table,
        values=_values(table, pairing.clusters, metrics, draws, thresholds.level),
        differences=found,
        adjusted=adjusted(found, headline),
        common=int(figures.common_parsed([own["parse_rate"] == 1 for own in table]).sum()),
        costs=[cost(arm, rows, arms[0]) for arm, rows in zip(arms, pairing.rows, strict=True)],
        scale=scale,
        chance=luck,
        guards=others,
        own=own,
        factorials=factorial(
            squares(arms), table, headline, pairing.clusters,
            bounds=figures.bounds(metrics), draws=draws, level=thresholds.level,
        ),
        thresholds=thresholds,
        resamples=draws.resamples,
        seed=seed,
    )  # fmt: skip


def adjusted(found: Sequence[Mapping[str, Difference]], headline: Sequence[str]) -> list[dict[str, float]]:
    """Holm's p of each headline figure of each arm, one family over all of them."""
    family = [(at, name) for at in range(len(found)) for name in headline]
    chances = holm([found[at][name].p for at, name in family])
    out: list[dict[str, float]] = [{} for _ in found]
    for (at, name), p in zip(family, chances, strict=True):
        out[at][name] = p
    return out


def _scale(
    metric: str | None, metrics: Sequence[Metric], table: Sequence[figures.Columns], luck: Chance
) -> Scale | None:
    """Of the quality metric; one without known bounds has the range that was seen."""
    if metric is None:
        return None
    known = figures.bounds(metrics).get(metric)
    if known is None:
        seen = np.concatenate([own[metric] for own in table])
        seen = seen[~np.isnan(seen)]
        known = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
    return Scale(metric, known, luck.values, unknown=bool(luck.why))


def _guards(
    table: Sequence[figures.Columns],
    clusters: Sequence[str],
    scale: Scale | None,
    thresholds: Thresholds,
    draws: Draws,
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
    names = [{metric["name"] for metric in arm.run.manifest.task["metrics"]} for arm in arms]
    first = [Metric(**metric) for metric in arms[0].run.manifest.task["metrics"]]
    return [metric for metric in first if all(metric.name in own for own in names)]


def _values(
    table: Sequence[figures.Columns], clusters: Sequence[str], metrics: Sequence[Metric], draws: Draws, level: float
) -> list[dict[str, Interval]]:
    """Each arm's figures; all means of all arms come from the same resamples."""
    rates = [{name: rate_interval(own[name], clusters, level=level) for name in figures.RATES} for own in table]
    columns = {f"{at} {n}": c for at, own in enumerate(table) for n, c in own.items() if n not in figures.RATES}
    limits = {f"{at} {name}": pair for at in range(len(table)) for name, pair in figures.bounds(metrics).items()}
    means = mean_intervals(columns, clusters, bounds=limits, seed=draws.seed, resamples=draws.resamples, level=level)
    return [
        {name: rates[at][name] if name in figures.RATES else means[f"{at} {name}"] for name in own}
        for at, own in enumerate(table)
    ]


def _differences(
    table: Sequence[figures.Columns],
    clusters: Sequence[str],
    metrics: Sequence[Metric],
    headline: Sequence[str],
    draws: Draws,
    level: float,
) -> list[dict[str, Difference]]:
    """Each arm against the first; a metric over each arm's own parsed answers has none."""
    own = {metric.name for metric in metrics}
    found = differences(
        {at: (table[0], table[at]) for at in range(1, len(table))},
        [name for name in table[0] if name not in own],
        clusters,
        tested=headline,
        bounds=figures.bounds(metrics),
        draws=draws,
        level=level,
    )
    return list(found.values())
