"""How every benchmark here measures: contenders take turns, and the result is a ratio with its spread.

Contenders run in turn within a round (A B C, then C B A, ...), so drift of the machine falls on all of them. Each round
gives one ratio; the report states the median of the ratios and their quartiles. Seconds are kept for orientation: on a
shared machine only ratios of the same run mean anything. Nothing here asserts on time.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
Seconds = Mapping[str, Sequence[float]]
"""Contender -> seconds a unit, one figure a round."""


@dataclass(frozen=True)
class Contender:
    """Something to time. `call` handles `units` units (rows, answers), so that figures are seconds a unit."""

    name: str
    call: Callable[[], object]
    units: int = 1


@dataclass(frozen=True)
class Goal:
    """What a ratio should be: ours at most `most` times the peer's time, or the peer's at least `least` times ours."""

    most: float | None = None
    least: float | None = None

    def __str__(self) -> str:
        if self.most is not None:
            return f"<= {self.most:g}x its time"
        return f">= {self.least:g}x as fast" if self.least is not None else ""

    def met(self, ratio: float) -> bool | None:
        """`ratio` is our time over the peer's."""
        if self.most is not None:
            return ratio <= self.most
        return 1 / ratio >= self.least if self.least is not None else None


@dataclass(frozen=True)
class Row:
    """One comparison: microseconds a unit of both (median, quartiles) and our time over the peer's, round by round."""

    case: str
    ours: str
    peer: str
    ours_us: tuple[float, float, float]
    peer_us: tuple[float, float, float]
    ratio: tuple[float, float, float]
    goal: str
    met: bool | None

    def speed(self) -> str:
        """The ratio as it reads best: how many times faster, or how many times the peer's time."""
        low, middle, high = self.ratio[1], self.ratio[0], self.ratio[2]
        if middle < 1:
            return f"{1 / middle:.3g}x as fast ({1 / high:.3g}-{1 / low:.3g})"
        return f"{middle:.3g}x its time ({low:.3g}-{high:.3g})"


@dataclass
class Report:
    """The result of one benchmark: its comparisons and whatever else was found, such as agreement with peers."""

    benchmark: str
    rows: list[Row] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def compare(self, case: str, seconds: Seconds, ours: str, peer: str, goal: Goal | None = None) -> None:
        """Add the comparison of two contenders that were timed in the same rounds."""
        ratio = _quartiles([a / b for a, b in zip(seconds[ours], seconds[peer], strict=True)])
        micro = [_quartiles([s * 1e6 for s in seconds[name]]) for name in (ours, peer)]
        goal = goal or Goal()
        self.rows.append(Row(case, ours, peer, micro[0], micro[1], ratio, str(goal), goal.met(ratio[0])))

    def markdown(self) -> str:
        """A table of the comparisons, then the facts."""
        lines = ["| case | ours | µs | peer | µs | ours against the peer (quartiles) | goal | met |", "|" + "---|" * 8]
        for row in self.rows:
            met = {True: "yes", False: "no", None: ""}[row.met]
            cells = (row.case, row.ours, _micro(row.ours_us), row.peer, _micro(row.peer_us), row.speed(), row.goal, met)
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join([*lines, "", *(f"- {name}: {value}" for name, value in self.facts.items())])


def interleave(contenders: Sequence[Contender], *, rounds: int, least: float = 0.03) -> dict[str, list[float]]:
    """Seconds a unit of every contender in every round; a measurement repeats its call for about `least` seconds."""
    loops = {c.name: _loops(c.call, least) for c in contenders}
    seconds: dict[str, list[float]] = {c.name: [] for c in contenders}
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            for c in contenders if number % 2 == 0 else reversed(contenders):
                seconds[c.name].append(_time(c.call, loops[c.name]) / (loops[c.name] * c.units))
    finally:
        gc.enable()
    return seconds


def machine(packages: Sequence[str]) -> dict[str, Any]:
    """The hardware and the versions that figures depend on."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "versions": {name: _version(name) for name in packages},
    }


def arguments(doc: str | None) -> argparse.Namespace:
    """`--rounds` and `--dry`, the same for every benchmark."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11, help="measurements of every contender (default 11)")
    parser.add_argument("--dry", action="store_true", help="print, but write no result file")
    return parser.parse_args()


def publish(report: Report, packages: Sequence[str], *, dry: bool) -> None:
    """Print the report; unless `dry`, put it into `results/<hardware>-<date>.json` and the same as Markdown.

    The file of a day holds every benchmark that ran; running one again replaces its own entry.
    """
    print(f"## {report.benchmark}\n\n{report.markdown()}")
    if dry:
        return
    here = machine(packages)
    today = datetime.now(UTC).date().isoformat()
    path = RESULTS / f"{_slug(here['cpu'])}-{here['cores']}core-{today}.json"
    path.parent.mkdir(exist_ok=True)
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept[report.benchmark] = {
        "machine": here,
        "rows": [asdict(row) for row in report.rows],
        "facts": report.facts,
        "markdown": report.markdown(),
    }
    path.write_text(json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    path.with_suffix(".md").write_text(_page(kept, today))
    print(f"\nwritten to {path.relative_to(RESULTS.parent)} and .md")


def _page(kept: Mapping[str, Any], today: str) -> str:
    parts = [f"# Benchmarks, {today}"]
    for name, entry in sorted(kept.items()):
        here = entry["machine"]
        versions = ", ".join(f"{package} {version}" for package, version in here["versions"].items())
        where = f"{here['cpu']}, {here['cores']} cores, Python {here['python']}, {versions}"
        parts.append(f"## {name}\n\n{where}\n\n{entry['markdown']}")
    return "\n\n".join(parts) + "\n"


def _time(call: Callable[[], object], loops: int) -> float:
    start = time.perf_counter()
    for _ in range(loops):
        call()
    return time.perf_counter() - start


def _loops(call: Callable[[], object], least: float) -> int:
    call()
    once = max(_time(call, 1), 1e-7)
    return max(1, round(least / once))


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, lower and upper quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, low, high


def _micro(us: tuple[float, float, float]) -> str:
    return f"{us[0]:.3g} ({us[1]:.3g}-{us[2]:.3g})"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.exists() else []
    return names[0].strip() if names else platform.processor() or platform.machine()


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"\([RTM]+\)|@.*", "", text, flags=re.IGNORECASE).lower()).strip("-")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"
