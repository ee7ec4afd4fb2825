"""A long run in small: does memory stay flat, and how many rows a second does one driver do?

A million rows are the plan; this plays as many as are asked for (default 100,000) and says what each adds to the
process' memory, from which the million follows, and what the metrics at the end take, which read all rows back. Two
parts of the driver, no model in either: the whole harness on the null engine, and the ray backend's own half (requests
to rows, answers to completions) on engines of this process.
"""

from __future__ import annotations

import argparse
import queue
import tempfile
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from types import SimpleNamespace
from typing import Any
from unittest import mock

from benchmarks.overhead import write_lines
from listeval.backends.protocol import BackendOptions, Prompt, Request, Sampling
from listeval.backends.ray import ray_engine as ray_engine
from listeval.backends.ray.cluster import EnginePool
from listeval.contract import Item, Record
from listeval.models.info import ModelInfo
from listeval.runs import RunConfig, run
from listeval.runs.observer import SilentObserver
from listeval.runs.rows import Row
from tasks.fashion.generate import generate

PLAN = 1_000_000
GROUPS = 2_000
"""Groups of data; a run repeats them under so many seeds that the rows come together."""
PROMPT = 1_200


def main() -> None:
    """Both parts, and what a million rows would take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    rows: int = parser.parse_args().rows
    for name, play in (("harness, null engine", harness), ("ray backend, engines of this process", ray_half)):
        marks = play(rows)
        (first, began, start), (last, ended, end) = marks[len(marks) // 4], marks[-1]
        a_row = (end - start) / (last - first)
        print(
            f"{name}: {last:,} rows, {(last - first) / (ended - began):,.0f} rows/s, resident {end / 1e6:.0f} MB,"
            f" {a_row:.0f} B a row more; {PLAN:,} rows: {(end + a_row * (PLAN - last)) / 1e6:.0f} MB;"
            f" at most {most() / 1e6:.0f} MB so far, metrics included",
            flush=True,
        )


Marks = list[tuple[int, float, int]]
"""Rows so far, seconds, bytes in memory."""


class Watch(SilentObserver):
    """Marks every twentieth of the rows."""

    def __init__(self, total: int) -> None:
        self.made, self.every, self.marks = 0, max(1, total // 20), Marks()

    def rows(self, rows: list[Row]) -> None:
        """Count; note where a twentieth is full."""
        before, self.made = self.made, self.made + len(rows)
        if before // self.every != self.made // self.every:
            self.marks.append((self.made, time.perf_counter(), resident()))


def harness(rows: int) -> Marks:
    """A run of the null engine: everything from rendering to the row on the disk."""
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "groups.jsonl"
        write_lines(data, list(generate(GROUPS, seed=7)))
        watch = Watch(rows)
        config = RunConfig(
            task="fashion", model="null", backend="null", options={"split": "all"}, data=str(data),
            seeds=tuple(range(-(-rows // GROUPS))), concurrency=1000, out=f"{scratch}/run",
        )  # fmt: skip
        run(config, observer=watch)
    return watch.marks


def ray_half(rows: int) -> Marks:
    """Requests through the ray backend, answered at once."""
    checkpoint: Any = SimpleNamespace(
        info=ModelInfo("m", "f", "/m", None, None, 4096), renderer=None, stops=(0,), vocab_size=0
    )
    pool = EnginePool(8, {"model": "/m", "max_num_seqs": 256}, cpu=True)
    watch = Watch(rows)
    ids = tuple(range(1000, 1000 + PROMPT))
    asked = (Request(str(n), str(n), Prompt((), "", (*ids[:-1], n)), Sampling(), 0, Record(Item)) for n in count(5000))
    with (
        mock.patch.object(ray_engine, "pipeline", answers),
        mock.patch.object(ray_engine, "make_queue", lambda: queue.Queue(4)),
        mock.patch.object(ray_engine, "split_decoded", lambda *_: (None, "[]")),
    ):
        backend = ray_engine.RayBackend(checkpoint, pool, BackendOptions(), None)
        for _ in backend.generate(islice(asked, rows)):
            watch.rows([{}])  # type: ignore[typeddict-item]
    return watch.marks


def answers(_pool: EnginePool, taken: queue.Queue[Any], _row_bytes: int) -> Iterator[dict[str, Any]]:
    """Engines that answer everything with ten tokens."""
    while (rows := taken.get()) is not None:
        for row in rows:
            yield {"row": row["row"], "generated_tokens": [7] * 9 + [0], "__inference_error__": ""}


def most() -> int:
    """Bytes of this process in memory at its largest."""
    return getrusage(RUSAGE_SELF).ru_maxrss * 1024


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


if __name__ == "__main__":
    main()
