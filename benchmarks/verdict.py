"""How often the verdict recommends harm, and how often it misses a large win: simulated comparisons of known truth.

A cell is a number of clusters, the baseline's parse rate and an effect. Each trial draws a baseline and an arm over the
same questions (`benchmarks.worlds`), makes the columns that `compare` makes of rows, and sends them through the same
`differences`, Holm, `guards` and `decide`.

Recommending an arm is harmful where it is no better: its true U (failures count zero) is not above the baseline's, its
true quality is below by the margin or more, or it ranks no better than chance. A large win raises U by .2 or more and
loses no quality. `python -m benchmarks.verdict` writes `results/verdict-calibration.md` and `.json`; one core, minutes.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from benchmarks.harness import RESULTS
from benchmarks.worlds import CHANCE, SKILL, Side, cluster_of, draw, quality
from listeval.comparison.analysis import adjusted
from listeval.comparison.contrasts import QualityScale, ResamplingSettings, differences, guards
from listeval.comparison.decision import Standing, decide, gather
from listeval.comparison.thresholds import Thresholds

CLUSTERS, PARSE = (8, 20, 50, 100, 200, 500), (0.05, 0.2, 0.5, 0.8, 0.95)
LARGE = 0.2
_HEADLINE = ("parse_rate", "useful_q", "common_q")


@dataclass(frozen=True)
class Effect:
    """What an arm does to a baseline that parses at `parse` and has a skill of .8."""

    name: str
    arm: Side

    @classmethod
    def all(cls, parse: float) -> list[Effect]:
        """The grid of effects; those that a parse rate leaves no room for are left out."""
        up, low = min(0.98, parse + 0.45), parse / 2
        return [
            cls("equal", Side(parse, SKILL)),
            cls("equal, answers alike", Side(parse, SKILL, agree=0.9)),
            cls("parses half as often", Side(low, SKILL, agree=0.5)),
            cls("ranks worse by .2", Side(parse, _skill_less(0.2))),
            cls("parses better, quality lower by the margin", Side(up, _skill_less(0.1))),
            cls("parses better, quality lower by .2", Side(up, _skill_less(0.2))),
            cls("parses better, answers alike but one in eight reversed", Side(up, SKILL, agree=1, reversed=0.125)),
            cls("parses always, constant scores", Side(1.0, None)),
            cls("parses always, random order", Side(1.0, 0.0)),
            cls("parses always, reversed order", Side(1.0, -0.9)),
            cls("parses better, quality lower by .02", Side(up, _skill_less(0.02))),
            cls("parses better", Side(up, SKILL)),
            cls("parses better, answers alike", Side(up, SKILL, agree=0.9)),
            cls("parses better, ranks better", Side(up, 0.95)),
            cls("parses always and ranks perfectly", Side(1.0, 1.0)),
        ]


def _skill_less(loss: float) -> float:
    """The skill whose quality is so much below the baseline's."""
    return (quality(SKILL) - loss - CHANCE) / (1 - CHANCE)


@dataclass(frozen=True)
class Cell:
    """A place in the grid."""

    clusters: int
    parse: float
    effect: Effect

    @property
    def base(self) -> Side:
        """The baseline."""
        return Side(self.parse, SKILL)

    def harmful(self, margin: float) -> bool:
        """Whether recommending the arm does harm, or nothing for its cost."""
        arm, base = self.effect.arm, self.base
        lost = base.quality - arm.quality >= margin - 1e-9
        return arm.useful <= base.useful + 1e-9 or lost or arm.quality <= CHANCE + 1e-9

    @property
    def large(self) -> bool:
        """Whether missing the arm is missing a large win."""
        arm, base = self.effect.arm, self.base
        return arm.useful - base.useful >= LARGE and arm.quality >= base.quality - 1e-9


def simulate(cell: Cell, trials: int, *, seed: int = 0, thresholds: Thresholds | None = None) -> Counter[Standing]:
    """How often the arm of a cell gets each standing, in as many comparisons of one arm with its baseline."""
    return verdicts(cell.clusters, cell.base, [cell.effect.arm], trials, seed=seed, thresholds=thresholds)


def verdicts(
    clusters: int, base: Side, arms: Sequence[Side], trials: int, *, seed: int = 0, thresholds: Thresholds | None = None
) -> Counter[Standing]:
    """Of comparisons of several arms with one baseline: the best standing that any arm gets."""
    t, rng = thresholds or Thresholds(), np.random.default_rng([seed, clusters, trials])
    index = cluster_of(clusters)
    worlds = [draw(rng, index, base, arms) for _ in range(trials)]
    pairs = {(w, at): (sides[0], sides[at]) for w, sides in enumerate(worlds) for at in range(1, len(sides))}
    labels, draws = [str(at) for at in index], ResamplingSettings(1_000, seed)
    found = differences(
        pairs, _HEADLINE, labels, tested=_HEADLINE, bounds=dict.fromkeys(_HEADLINE[1:], (0.0, 1.0)), draws=draws,
        level=t.level,
    )  # fmt: skip
    scale = QualityScale("q", (0.0, 1.0), np.full(len(index), CHANCE))
    known = guards(pairs, scale, labels, margin=t.margin, draws=draws, level=t.guard_level(len(arms)))
    best: Counter[Standing] = Counter()
    for w in range(trials):
        keys = [(w, at) for at in range(1, len(arms) + 1)]
        chances = adjusted([found[key] for key in keys], _HEADLINE)
        useful = [(found[key]["useful_q"], p["useful_q"]) for key, p in zip(keys, chances, strict=True)]
        common = [found[key]["common_q"] for key in keys]
        evidence = gather(useful, common, [known[key] for key in keys], [False] * len(keys), scale)
        best[max(decide(evidence, t, t.margin), key=list(Standing).index)] += 1
    return best


def grid(clusters: Sequence[int] = CLUSTERS, rates: Sequence[float] = PARSE) -> Iterator[Cell]:
    """Every cell."""
    for m, rate in product(clusters, rates):
        for effect in Effect.all(rate):
            yield Cell(m, rate, effect)


class Result(NamedTuple):
    """What came of a cell."""

    cell: Cell
    trials: int
    standings: Mapping[Standing, int]

    @property
    def recommended(self) -> float:
        """The share of trials in which the arm was recommended."""
        return self.standings.get(Standing.BETTER, 0) / self.trials

    def to_json(self) -> dict[str, object]:
        """JSON values."""
        cell = self.cell
        truth = {"harmful": cell.harmful(Thresholds().margin), "large_win": cell.large}
        found = {standing.value: n for standing, n in self.standings.items()}
        return {**asdict(cell.effect), "clusters": cell.clusters, "parse": cell.parse, **truth, "standings": found}


def families(trials: int) -> Iterator[tuple[int, float, float]]:
    """(clusters, parse rate, share with any recommendation) of five arms at once, each of which would do harm."""
    wanted = ("equal", "ranks worse by .2", "parses better, quality lower by the margin",
              "parses better, quality lower by .2", "parses always, random order")  # fmt: skip
    for m, rate in product((20, 100, 500), (0.2, 0.8)):
        arms = [effect.arm for effect in Effect.all(rate) if effect.name in wanted]
        found = verdicts(m, Side(rate, SKILL), arms, trials)
        yield m, rate, found[Standing.BETTER] / trials


def table(results: Sequence[Result], kind: str) -> list[str]:
    """Markdown of the cells that are `harm` or `win`: the share recommended, effects by clusters, parse rates side by
    side."""
    margin = Thresholds().margin
    mine = [r for r in results if (r.cell.harmful(margin) if kind == "harm" else r.cell.large)]
    lines = ["| arm | clusters | " + " | ".join(f"{100 * rate:.0f} %" for rate in PARSE) + " |", "|---" * 7 + "|"]
    for name in dict.fromkeys(r.cell.effect.name for r in mine):
        for m in CLUSTERS:
            by_rate = {r.cell.parse: r for r in mine if r.cell.effect.name == name and r.cell.clusters == m}
            cells = [f"{100 * by_rate[p].recommended:.1f}" if p in by_rate else "" for p in PARSE]
            lines.append(f"| {name} | {m} | " + " | ".join(cells) + " |")
    return lines


def page(results: Sequence[Result], multiple: Sequence[tuple[int, float, float]], trials: int) -> str:
    """The published page."""
    t = Thresholds()
    harm = [r for r in results if r.cell.harmful(t.margin)]
    wins = [r for r in results if r.cell.large]
    worst = max(harm, key=lambda r: r.recommended)
    missed = {m: [1 - r.recommended for r in wins if r.cell.clusters == m] for m in CLUSTERS}
    return "\n".join([
        "# Calibration of the verdict", "",
        f"`python -m benchmarks.verdict`: {trials:,} simulated comparisons a cell, margin {t.margin:g}, alpha "
        f"{t.alpha:g}; how the truth is made stands in `benchmarks/worlds.py`. Shares are percent of comparisons in "
        "which the arm is recommended; columns are the baseline's parse rate.", "",
        f"Harmful recommendations: {100 * np.mean([r.recommended for r in harm]):.2f} % over {len(harm)} cells, at "
        f"most {100 * worst.recommended:.1f} % ({worst.cell.effect.name}, {worst.cell.clusters} clusters, "
        f"{100 * worst.cell.parse:.0f} %).", "",
        "Large wins missed, mean over the cells: "
        + ", ".join(f"{100 * np.mean(shares):.0f} % at {m} clusters" for m, shares in missed.items()) + ".", "",
        "## Arms that would do harm", "", *table(results, "harm"), "",
        "## Large wins (U higher by .2 or more, quality no lower)", "", *table(results, "win"), "",
        "## Five arms at once, each of which would do harm", "",
        "| clusters | parse | any recommended, % |", "|---|---|---|",
        *(f"| {m} | {100 * rate:.0f} % | {100 * share:.1f} |" for m, rate, share in multiple), "",
    ])  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=400, help="comparisons a cell (%(default)s)")
    parser.add_argument("--dry", action="store_true", help="print, but write no result file")
    return parser.parse_args()


def main() -> None:
    """Run the grid, print the page, publish it."""
    options = _arguments()
    results = [Result(cell, options.trials, simulate(cell, options.trials)) for cell in grid()]
    multiple = list(families(options.trials))
    text = page(results, multiple, options.trials)
    print(text)
    if not options.dry:
        file = RESULTS / "verdict-calibration.md"
        file.write_text(text)
        found = {"trials": options.trials, "cells": [r.to_json() for r in results], "families": multiple}
        file.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
