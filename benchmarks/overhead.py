"""What the harness itself costs a sample: null engine, log of every sample on, beside lm-eval's and inspect's mocks.

Ours is the time from the first request to the last row on the disk, over the rows: render the messages, hash the row's
key, hand over, parse, classify, score, append, and the last fsync. Metrics with their intervals and all that comes
before the first request (data, grouping, manifest) are stated apart.
A peer's is one call of its evaluation on the same prompts, less the same call on one row. Its answers are one constant,
its task is one comparison of strings, and its means carry no intervals: all of that is in its favour.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from listeval.plugins.open import make_task

from benchmarks.harness import Goal, Report, arguments, publish, take_turns
from benchmarks.peers.client import Peer
from listeval.runs import RunConfig, load_run, run
from tasks.fashion.generate import generate

ROWS = 1319
IN_FLIGHT = (1, 10, 100, 1000)
LIMIT_MS = 0.2
OURS = "listeval"
PEERS = {
    "lm-eval, prompts from templates": ("lm_eval_dummy", "templates"),
    "lm-eval, prompts from columns": ("lm_eval_dummy", "columns"),
    "inspect-ai": ("inspect_mock",),
}
Measures = dict[str, Callable[[], float]]


def main() -> None:
    """Ours and the peers at every number in flight, in turn."""
    options = arguments(__doc__, rounds=5, peers=True)
    report = Report("overhead")
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = Path(scratch)
        data, prompts = write_data(folder, ROWS)
        ours = Ours(folder, data)
        ours.seconds(1)
        ours.apart.clear()
        measures: Measures = {named(OURS, n): lambda n=n: ours.seconds(n) for n in IN_FLIGHT}  # type: ignore[misc]
        for name, (module, *more) in PEERS.items() if options.peers else ():
            peer = stack.enter_context(Peer(options.peers, module, prompts, folder / "logs", *more, scratch=folder))
            describe(report, name, peer)
            measures |= {named(name, n): lambda p=peer, n=n: p.per_row(ROWS, n) for n in IN_FLIGHT}  # type: ignore[misc]
        seconds = take_turns(measures, rounds=options.rounds)
    state(report, seconds, ours)
    publish(report, ["pydantic", "pydantic-core", "numpy"], dry=options.dry)


class Ours:
    """Runs of the null engine, each in a fresh directory; `apart` collects the seconds that are no sample's."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder, self.data = folder, data
        self.apart: dict[str, list[float]] = defaultdict(list)

    def seconds(self, in_flight: int) -> float:
        """Seconds a row from the first request to the last row."""
        out = Path(tempfile.mkdtemp(dir=self.folder))
        config = RunConfig(
            task="fashion", model="null", backend="null", options={"split": "all"},
            data=str(self.data), concurrency=in_flight, out=str(out),
        )  # fmt: skip
        start = time.perf_counter()
        finished = run(config)
        whole = time.perf_counter() - start
        if finished.summary.n != ROWS:
            raise RuntimeError(f"{finished.summary.n} rows in place of {ROWS}")
        start = time.perf_counter()
        load_run(out).summary  # noqa: B018  a cached property does the work
        metrics = time.perf_counter() - start
        working = finished.manifest.attempts[-1].seconds
        self.apart["read all rows, metrics and intervals"].append(metrics)
        self.apart["before the first request: data, groups, manifest"].append(max(0.0, whole - working - metrics))
        return working / ROWS


def write_data(folder: Path, rows: int) -> tuple[Path, Path]:
    """Generated groups of eight, and the very prompts that a run makes of them, as JSON lines."""
    data, prompts = folder / "groups.jsonl", folder / "prompts.jsonl"
    write_lines(data, list(generate(rows, seed=7)))
    task = make_task("fashion", {"split": "all"})
    lines = []
    for example in task.load(str(data), 0).examples:
        text = "\n\n".join(message.content for message in example.messages)
        lines.append({"prompt": text, "target": task.gold(example.target)})
    write_lines(prompts, lines)
    return data, prompts


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def named(name: str, in_flight: int) -> str:
    """A contender's name at a number in flight."""
    return f"{name}, {in_flight:,} in flight"


def describe(report: Report, name: str, peer: Peer) -> None:
    """Version and start-up of a peer."""
    report.facts[name] = f"{peer.label}; start {peer.startup:.2f} s, a call on one row {peer.fixed * 1e3:.0f} ms"


def state(report: Report, seconds: dict[str, list[float]], ours: Ours) -> None:
    """Figures of everyone, ratios of ours, and what was left out."""
    for name, found in seconds.items():
        report.figure(f"{ROWS:,} rows", name, found, "ms a sample", LIMIT_MS if name.startswith(OURS) else None)
    for case, found in ours.apart.items():
        report.figure(f"{ROWS:,} rows, not in the above", f"{OURS}: {case}", found, "ms in all")
    most, least = named(OURS, IN_FLIGHT[-1]), named(OURS, IN_FLIGHT[0])
    report.compare("flat in the number in flight", seconds, most, least)
    for n in IN_FLIGHT:
        for peer in [name for name in PEERS if named(name, n) in seconds]:
            report.compare(f"{n:,} in flight, a sample", seconds, named(OURS, n), named(peer, n), Goal(most=0.1))


if __name__ == "__main__":
    main()
