"""What a resume costs: the index of 10,000 rows, and what follows it.

The index says which samples are done; the peer parses every line with json.loads. A resume also renders and hashes what
is done to know its keys; that, and a report from the rows, are stated apart.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import Contender, Report, arguments, interleave, publish, take_turns
from listeval.runs import RunConfig, load_run, run
from listeval.runs.observer import SilentObserver
from listeval.runs.row_decoder import read_rows
from listeval.runs.rows import Row, done_keys
from tasks.fashion.generate import generate

ROWS = 10_000
INDEX_S = 0.1
OURS, PEER = "listeval, index", "json.loads of every line"


class Watch(SilentObserver):
    """Notes when the run began to look for what is owed, when the first new row was there, and how many came."""

    began = 0.0
    seconds = 0.0
    made = 0

    def begin(self, total: int) -> None:
        self.began = time.perf_counter()

    def rows(self, rows: list[Row]) -> None:
        self.seconds = self.seconds or time.perf_counter() - self.began
        self.made += len(rows)


def main() -> None:
    """Make a run, then read its index, its rows and its report in turn."""
    options = arguments(__doc__)
    report = Report("resume")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        config = make_run(folder, ROWS)
        path = folder / "run" / "samples.jsonl"
        check(path)
        contenders = [
            Contender(OURS, lambda: done_keys(path), ROWS),
            Contender(PEER, lambda: by_json(path), ROWS),
            Contender("listeval, all rows", lambda: list(read_rows(path)), ROWS),
        ]
        seconds = interleave(contenders, rounds=options.rounds)
        report.compare("a row", seconds, OURS, PEER)
        report.compare("a row", seconds, contenders[2].name, PEER)
        case = f"{ROWS:,} rows, {path.stat().st_size / 1e6:.0f} MB"
        for c in contenders:
            whole = [value * ROWS for value in seconds[c.name]]
            report.figure(case, c.name, whole, "s in all", INDEX_S if c.name == OURS else None)
        others = {
            "listeval, load_run(...).summary": lambda: summary_seconds(folder / "run"),
            "listeval, run() with one sample owed: index, keys, its row": lambda: last_row_seconds(config, path),
        }
        for name, found in take_turns(others, rounds=min(options.rounds, 5)).items():
            report.figure(case, name, found, "s in all")
    publish(report, ["pydantic-core", "numpy"], dry=options.dry)


def make_run(folder: Path, rows: int) -> RunConfig:
    """A finished run of the null engine over generated groups of eight, in `folder / "run"`."""
    data = folder / "groups.jsonl"
    groups: list[dict[str, Any]] = list(generate(rows, seed=7))
    data.write_text("".join(json.dumps(group) + "\n" for group in groups), encoding="utf-8")
    config = RunConfig(
        task="fashion", model="null", backend="null", options={"split": "all"},
        data=str(data), out=str(folder / "run"),
    )  # fmt: skip
    run(config)
    return config


def by_json(path: Path) -> set[str]:
    """The index as one writes it first."""
    with path.open("rb") as file:
        rows = map(json.loads, file)
        return {row["key"] for row in rows if row["outcome"] != "error"}


def check(path: Path) -> None:
    """Raises RuntimeError where the index is not what the rows say."""
    if len(done_keys(path)) != ROWS or done_keys(path) != by_json(path):
        raise RuntimeError("the index differs from the rows: the figures are void")


def summary_seconds(directory: Path) -> float:
    """Manifest, rows, metrics, intervals."""
    start = time.perf_counter()
    load_run(directory).summary  # noqa: B018  a cached property does the work
    return time.perf_counter() - start


def last_row_seconds(config: RunConfig, path: Path) -> float:
    """Cuts the last row off and completes the run; seconds until that row is there again."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    watch = Watch()
    run(config, watch)
    if watch.made != 1:
        raise RuntimeError(f"{watch.made} rows were made where one was owed: the figure is void")
    return watch.seconds


if __name__ == "__main__":
    main()
