"""`listeval compare`: six arms of 1,319 rows against scipy, and the page of six arms of 10,000 rows.

The peer does the bootstrap alone: `scipy.stats.bootstrap` of the mean of each difference, as many resamples. Ours is
all of `compare` once the rows are read: pairing, intervals of values and differences, McNemar, sign flips, Holm.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.harness import Contender, Report, arguments, interleave, publish
from listeval.comparison import Comparison, compare, compare_arms, open_arms
from listeval.report.comparison.page import comparison_page
from listeval.runs import RunConfig, run
from tasks.fashion.generate import generate

ARMS, ROWS, PAGE_ROWS = 6, 1_319, 10_000
COMPARE_S, PAGE_S, PAGE_MB = 0.5, 2.0, 5.0
OURS, PEER = "listeval, compare without reading", "scipy.stats.bootstrap of the differences"


def main() -> None:
    """Make runs of the null engine, compare them, publish."""
    options = arguments(__doc__, rounds=7)
    report = Report("compare")
    with tempfile.TemporaryDirectory() as scratch:
        statistics(report, Path(scratch) / "small", options.rounds)
        page(report, Path(scratch) / "large", min(options.rounds, 5))
    publish(report, ["numpy", "scipy", "jinja2"], dry=options.dry)


def make_runs(folder: Path, rows: int) -> list[Path]:
    """`ARMS` finished null runs over generated groups of eight."""
    folder.mkdir()
    data = folder / "groups.jsonl"
    data.write_text("".join(json.dumps(group) + "\n" for group in generate(rows, seed=7)), encoding="utf-8")
    for at in range(ARMS):
        run(RunConfig(task="fashion", model=f"arm{at}", backend="null", options={"split": "all"},
                      data=str(data), out=str(folder / f"arm{at}")))  # fmt: skip
    return [folder / f"arm{at}" for at in range(ARMS)]


def statistics(report: Report, folder: Path, rounds: int) -> None:
    """All statistics of the comparison beside scipy's bootstrap of its differences; limits must agree."""
    arms = open_arms(make_runs(folder, ROWS))
    found = compare_arms(arms)
    changes = differences(found)
    contenders = [
        Contender(OURS, lambda: compare_arms(arms)),
        Contender(PEER, lambda: scipy_limits(changes, found.resamples)),
    ]
    seconds = interleave(contenders, rounds=rounds)
    case = f"{ARMS} arms x {ROWS:,} rows"
    report.compare(case, seconds, OURS, PEER)
    report.figure(case, OURS, seconds[OURS], "s in all", COMPARE_S)
    pairs = [pair for contrast in found.contrasts for pair in contrast.differences.items()]
    limits = np.array([d.difference[1:] for name, d in pairs if name.startswith("useful")])
    report.facts["resamples"] = found.resamples
    report.facts["differences bootstrapped"] = len(changes)
    gap = np.abs(limits - scipy_limits(useful(found), found.resamples)).max()
    report.facts["largest gap between limits of useful metrics (resampling noise)"] = f"{gap:.1e}"
    report.facts["same bits twice"] = compare_arms(arms).to_json() == found.to_json()


def differences(found: Comparison) -> list[np.ndarray]:
    """Every difference of means that the comparison bootstraps, pairs without a value left out."""
    base, *others = found.columns
    names = [name for name, d in found.contrasts[0].differences.items() if "McNemar" not in d.test]
    columns = [arm[name] - base[name] for arm in others for name in names]
    return [column[~np.isnan(column)] for column in columns]


def useful(found: Comparison) -> list[np.ndarray]:
    """The differences of the useful metrics."""
    base, *others = found.columns
    return [arm[name] - base[name] for arm in others for name in base if name.startswith("useful")]


def scipy_limits(columns: list[np.ndarray], resamples: int) -> np.ndarray:
    """(columns, 2) percentile limits."""
    from scipy.stats import bootstrap

    found = [bootstrap((c,), np.mean, method="percentile", n_resamples=resamples, rng=0) for c in columns]
    return np.array([(f.confidence_interval.low, f.confidence_interval.high) for f in found])


def page(report: Report, folder: Path, rounds: int) -> None:
    """The page of a finished comparison, and the whole command from files to page."""
    paths = make_runs(folder, PAGE_ROWS)
    found = compare(paths)
    contenders = [
        Contender("page of a comparison", lambda: comparison_page(found)),
        Contender("read, compare, page", lambda: comparison_page(compare(paths))),
    ]
    seconds = interleave(contenders, rounds=rounds)
    case = f"{ARMS} arms x {PAGE_ROWS:,} rows"
    report.figure(case, contenders[0].name, seconds[contenders[0].name], "s in all", PAGE_S)
    report.figure(case, contenders[1].name, seconds[contenders[1].name], "s in all", PAGE_S)
    size = len(comparison_page(found).encode()) / 1e6
    report.facts[f"size of the page (goal: at most {PAGE_MB:g} MB)"] = f"{size:.2f} MB"


if __name__ == "__main__":
    main()
