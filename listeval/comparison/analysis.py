"""`compare`: arms joined, every figure with its interval, every difference paired, one verdict."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from listeval.comparison import columns as figures
from listeval.comparison.arms import Arm, open_arms
from listeval.comparison.cost import Cost, cost, same_machine
from listeval.comparison.pairing import Pairing, pair
from listeval.comparison.verdict import Verdict, judge
from listeval.contract import Kind
from listeval.paired import Difference, holm, paired_means, paired_rate
from listeval.stats import Interval, mean_intervals, rate_interval
from listeval.task import Metric

ALPHA = 0.05
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
    resamples: int
    seed: int

    @property
    def base(self) -> Arm:
        """What the others are compared with."""
        return self.arms[0]

    @cached_property
    def verdict(self) -> Verdict:
        """One sentence on what to do."""
        return judge(self)

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
        """Whether all arms ran on one kind of hardware and one backend."""
        return same_machine(self.arms)

    def to_json(self) -> dict[str, Any]:
        """JSON values; NaN and infinity become null."""
        return {
            "task": self.base.run.manifest.task["name"],
            "baseline": self.base.name,
            "n": len(self.pairing.keys),
            "clusters": self.pairing.n_clusters,
            "seeds": self.pairing.seeds,
            "common_parsed": self.common,
            "left_out": self.pairing.left_out,
            "notes": list(self.pairing.notes),
            "statistics": {
                "level": 1 - ALPHA,
                "resamples": self.resamples,
                "seed": self.seed,
                "family": self._family(),
            },
            "arms": [self._arm_json(at) for at in range(len(self.arms))],
            "speeds_compare": self.speeds_compare,
            "verdict": {"choice": self.verdict.choice, "arm": self.verdict.arm, "sentence": self.verdict.sentence},
        }

    def _family(self) -> dict[str, Any]:
        tests = sum(not math.isnan(p) for arm in self.adjusted for p in arm.values())
        return {"method": "Holm", "figures": list(self.headline), "arms": len(self.arms) - 1, "tests": tests}

    def _arm_json(self, at: int) -> dict[str, Any]:
        arm = self.arms[at]
        found: dict[str, Any] = {
            "name": arm.name,
            **arm.provenance(),
            "values": {name: _numbers(value._asdict()) for name, value in self.values[at].items()},
            "kinds": self.kinds[at],
            "cost": asdict(self.costs[at]),
        }
        if at:
            pairs = self.differences[at - 1].items()
            found["differences"] = {name: self._difference_json(at - 1, name, d) for name, d in pairs}
            found["migrations"] = [[*kinds, n] for kinds, n in self.migrations[at - 1].items()]
        return found

    def _difference_json(self, at: int, name: str, d: Difference) -> dict[str, Any]:
        rate = name in figures.RATES
        return {
            "n": d.n,
            **_numbers({"before": d.before, "after": d.after}),
            **_numbers(d.difference._asdict()),
            **_numbers({"p": d.p, "p_holm": self.adjusted[at].get(name, math.nan)}),
            "test": d.test,
            "odds_ratio" if rate else "standardised": _numbers(d.effect._asdict()),
            **({"gained": d.gained, "lost": d.lost} if rate else {}),
        }


def compare(
    runs: Sequence[str | Path], *, across_prompts: bool = False, seed: int = 0, resamples: int | None = None
) -> Comparison:
    """Compare runs on the samples that all of them answered; the first is the baseline.

    A run is a directory, or `DIRECTORY+permutation` for its answers repaired (`listeval.decoding.repair`).
    `resamples` of the bootstrap: 10,000, fewer (at least 2,000) for more than 600 clusters. Raises UserError for what
    cannot be compared: see `open_arms` and `pair`.
    """
    arms = open_arms(runs)
    return compare_arms(arms, across_prompts=across_prompts, seed=seed, resamples=resamples)


def compare_arms(
    arms: Sequence[Arm], *, across_prompts: bool = False, seed: int = 0, resamples: int | None = None
) -> Comparison:
    """`compare` of arms that are open already."""
    pairing = pair(arms, across_prompts=across_prompts)
    metrics = _shared_metrics(arms)
    table = figures.columns(pairing.rows, metrics)
    draws = resamples or int(min(10_000, max(2_000, _DRAWS / pairing.n_clusters)))
    headline = figures.headline(metrics)
    differences = _differences(table, pairing.clusters, metrics, headline, seed, draws)
    family = [(at, name) for at in range(len(differences)) for name in headline]
    chances = holm([differences[at][name].p for at, name in family])
    adjusted: list[dict[str, float]] = [{} for _ in differences]
    for (at, name), p in zip(family, chances, strict=True):
        adjusted[at][name] = p
    return Comparison(
        arms=arms,
        pairing=pairing,
        metrics=metrics,
        headline=headline,
        columns=table,
        values=_values(table, pairing.clusters, metrics, seed, draws),
        differences=differences,
        adjusted=adjusted,
        common=int(figures.common_parsed([own["parse_rate"] == 1 for own in table]).sum()),
        costs=[cost(arm, rows) for arm, rows in zip(arms, pairing.rows, strict=True)],
        resamples=draws,
        seed=seed,
    )


def _shared_metrics(arms: Sequence[Arm]) -> list[Metric]:
    """The baseline's metrics that every arm was scored by."""
    names = [{metric["name"] for metric in arm.run.manifest.task["metrics"]} for arm in arms]
    first = [Metric(**metric) for metric in arms[0].run.manifest.task["metrics"]]
    return [metric for metric in first if all(metric.name in own for own in names)]


def _values(
    table: Sequence[figures.Columns], clusters: Sequence[str], metrics: Sequence[Metric], seed: int, draws: int
) -> list[dict[str, Interval]]:
    """Each arm's figures; all means of all arms come from the same resamples."""
    rates = [{name: rate_interval(own[name], clusters) for name in figures.RATES} for own in table]
    columns = {f"{at} {n}": c for at, own in enumerate(table) for n, c in own.items() if n not in figures.RATES}
    limits = {f"{at} {name}": pair for at in range(len(table)) for name, pair in figures.bounds(metrics).items()}
    means = mean_intervals(columns, clusters, bounds=limits, seed=seed, resamples=draws)
    return [
        {name: rates[at][name] if name in figures.RATES else means[f"{at} {name}"] for name in own}
        for at, own in enumerate(table)
    ]


def _differences(
    table: Sequence[figures.Columns],
    clusters: Sequence[str],
    metrics: Sequence[Metric],
    headline: Sequence[str],
    seed: int,
    draws: int,
) -> list[dict[str, Difference]]:
    """Each arm against the first; a metric over each arm's own parsed answers has none."""
    base, own = table[0], {metric.name for metric in metrics}
    names = [name for name in base if name not in own]
    means = [name for name in names if name not in figures.RATES]
    others = range(1, len(table))
    known = figures.bounds(metrics)
    found = paired_means(
        {(at, name): (base[name], table[at][name]) for at in others for name in means},
        clusters,
        tested=[(at, name) for at in others for name in means if name in headline],
        bounds={(at, name): known[name] for at in others for name in means if name in known},
        seed=seed,
        resamples=draws,
    )
    return [
        {
            name: found[at, name] if name in means else paired_rate(base[name], table[at][name], clusters)
            for name in names
        }
        for at in others
    ]


def _numbers(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
