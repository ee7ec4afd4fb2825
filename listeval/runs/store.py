"""A run on disk, read back: manifest, rows, and metrics recomputed from all rows every time."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from listeval.registry import blame
from listeval.runs.manifest import Manifest, read_manifest, write_atomic
from listeval.runs.metrics import Summary, summarise
from listeval.runs.notices import notices
from listeval.runs.rows import Row, read_rows
from listeval.task import Metric, Task

_OURS = ("manifest.json", "samples.jsonl", "metrics.json")


@dataclass(frozen=True)
class Run:
    """A run directory and its manifest. Rows and summary are read on first use."""

    path: Path
    manifest: Manifest

    @cached_property
    def rows(self) -> list[Row]:
        """The latest row of every sample that the configuration asks for, by seed and place.

        The order is the data's, not that of arrival, so sums are the same however a run was interrupted.
        """
        config = self.manifest.config
        wanted = set(config.samples)
        rows = [row for row in self._all if row["seed"] in config.seeds and (not wanted or row["example"] in wanted)]
        if config.limit is None:
            return rows
        if not wanted:
            return [row for row in rows if row["index"] < config.limit]
        by_seed = groupby(rows, key=lambda row: row["seed"])
        return [row for _, of_seed in by_seed for row in islice(of_seed, config.limit)]

    @property
    def hidden(self) -> int:
        """How many samples of an earlier, larger configuration the rows leave out."""
        return len(self._all) - len(self.rows)

    @cached_property
    def _all(self) -> list[Row]:
        rows = read_rows(self.path / "samples.jsonl")
        return sorted(rows, key=lambda row: (row["seed"], row["index"]))

    @cached_property
    def summary(self) -> Summary:
        """Rates, metrics with intervals, the failure table and the verdicts."""
        task, asks_again = self.manifest.task, self.manifest.config.attempts > 1
        metrics = [Metric(**metric) for metric in task["metrics"]]
        return summarise(self.rows, metrics, task.get("verdicts", ()), asks_again=asks_again)

    @cached_property
    def notices(self) -> list[str]:
        """Where the answers contradict what the run asked for."""
        return notices(self.manifest, self.rows)

    @cached_property
    def figures(self) -> dict[str, float | None]:
        """What the task's appendix found over the whole run; empty while `metrics.json` is not of these rows."""
        kept = self._metrics
        return dict(kept.get("figures", {})) if kept.get("n") == self.summary.n else {}

    @property
    def _metrics(self) -> dict[str, Any]:
        """`metrics.json` as it is on disk; empty where it is not there, or damaged."""
        try:
            kept = json.loads((self.path / "metrics.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}

    @property
    def tokens_per_second(self) -> float | None:
        """Generated tokens over generation time, all finished attempts together; None before one finished."""
        seconds = sum(a.seconds for a in self.manifest.attempts)
        return round(sum(a.tokens for a in self.manifest.attempts) / seconds, 1) if seconds else None

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints: one object, metric names as in the task."""
        return {
            "task": self.manifest.task["name"],
            "model": self.manifest.model["name"],
            "backend": self.manifest.backend["name"],
            "constraint": self.manifest.identity.get("constraint", "none"),
            "spacing": (self.manifest.audit or {}).get("spacing"),
            **self.summary.to_json(),
            "figures": self.figures,
            "tokens_per_second": self.tokens_per_second,
            "notices": self.notices,
            "run": str(self.path),
        }

    def conclude(self, task: Task) -> None:
        """Replace `metrics.json` and the files of the task's appendix; a function of the rows alone.

        Raises UserError where the task's appendix does; the metrics are written all the same.
        """
        files: dict[str, bytes] = {}
        figures: dict[str, float | None] = {}
        try:
            with blame(task, "has no appendix", fix=f"correct the task, then `listeval score {self.path}`"):
                appendix = task.appendix(self.rows)
                files = {_plain(name): text.encode() for name, text in appendix.files.items()}
                figures = {name: float(x) if math.isfinite(x) else None for name, x in appendix.figures.items()}
        finally:
            metrics = self.summary.to_json() | {"figures": figures, "files": sorted(files)}
            for stale in set(self._metrics.get("files", ())) - files.keys():
                (self.path / _plain(stale)).unlink(missing_ok=True)
            for name, data in files.items():
                write_atomic(self.path / name, data)
            write_atomic(self.path / "metrics.json", json.dumps(metrics, indent=1).encode())


def _plain(name: str) -> str:
    """`name`, if it is a file name of its own in the run's directory. Raises ValueError."""
    if not name or Path(name).name != name or name.startswith(".") or name in _OURS:
        raise ValueError(f"an appendix cannot be called '{name}'")
    return name


def load_run(path: str | Path) -> Run:
    """Open a run directory. Raises UserError where it is none."""
    directory = Path(path)
    return Run(directory, read_manifest(directory))
