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
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6}
_MET = {True: "yes", False: "no", None: ""}


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


@dataclass(frozen=True)
class Figure:
    """Times with a bound of their own (median, quartiles), in `unit`: what a user waits for, whatever peers need."""

    case: str
    contender: str
    unit: str
    value: tuple[float, float, float]
    most: float | None
    met: bool | None


@dataclass
class Report:
    """The result of one benchmark: its comparisons and whatever else was found, such as agreement with peers.

    `load` is the machine's one-minute load average before anything was timed.
    """

    benchmark: str
    rows: list[Row] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    load: float = field(default_factory=lambda: round(os.getloadavg()[0], 1))

    def compare(self, case: str, seconds: Seconds, ours: str, peer: str, goal: Goal | None = None) -> None:
        """Add the comparison of two contenders that were timed in the same rounds."""
        ratio = _quartiles([a / b for a, b in zip(seconds[ours], seconds[peer], strict=True)])
        micro = [_quartiles([s * 1e6 for s in seconds[name]]) for name in (ours, peer)]
        goal = goal or Goal()
        self.rows.append(Row(case, ours, peer, micro[0], micro[1], ratio, str(goal), goal.met(ratio[0])))

    def figure(self, case: str, contender: str, seconds: Sequence[float], unit: str, most: float | None = None) -> None:
        """Add times of one contender; `unit` begins with the unit of time (`ms a sample`), `most` is in it."""
        value = _quartiles([s * _PER_SECOND[unit.split()[0]] for s in seconds])
        met = None if most is None else value[0] <= most
        self.figures.append(Figure(case, contender, unit, value, most, met))

    def markdown(self) -> str:
        """A table of the comparisons, one of the figures, then the facts."""
        facts = [*(f"- {name}: {value}" for name, value in self.facts.items()), f"- load before: {self.load}"]
        tables = [lines for lines in (self._comparisons(), self._figures()) if len(lines) > 2]
        return "\n\n".join("\n".join(lines) for lines in [*tables, facts])

    def _comparisons(self) -> list[str]:
        lines = ["| case | ours | µs | peer | µs | ours against the peer (quartiles) | goal | met |", "|" + "---|" * 8]
        for row in self.rows:
            met = _MET[row.met]
            cells = (
                row.case,
                row.ours,
                _spread(row.ours_us),
                row.peer,
                _spread(row.peer_us),
                row.speed(),
                row.goal,
                met,
            )
            lines.append("| " + " | ".join(cells) + " |")
        return lines

    def _figures(self) -> list[str]:
        lines = ["| case | contender | time (quartiles) | unit | goal | met |", "|" + "---|" * 6]
        for f in self.figures:
            goal = "" if f.most is None else f"<= {f.most:g}"
            lines.append("| " + " | ".join((f.case, f.contender, _spread(f.value), f.unit, goal, _MET[f.met])) + " |")
        return lines


def take_turns(measures: Mapping[str, Callable[[], float]], *, rounds: int) -> dict[str, list[float]]:
    """What each measure returned in every round, the order reversed from round to round."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(rounds):
        for name in measures if number % 2 == 0 else reversed(list(measures)):
            found[name].append(measures[name]())
    return found


def interleave(contenders: Sequence[Contender], *, rounds: int, least: float = 0.03) -> dict[str, list[float]]:
    """Seconds a unit of every contender in every round; a measurement repeats its call for about `least` seconds."""
    measures = {c.name: _measure(c, _loops(c.call, least)) for c in contenders}
    gc.collect()
    gc.disable()
    try:
        return take_turns(measures, rounds=rounds)
    finally:
        gc.enable()


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


def arguments(doc: str | None, *, rounds: int = 11, peers: bool = False, models: bool = False) -> argparse.Namespace:
    """`--rounds` and `--dry`, the same for every benchmark; `--peers` where some have their own environment."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=rounds, help="measurements of every contender (%(default)s)")
    parser.add_argument("--dry", action="store_true", help="print, but write no result file")
    if peers:
        text = "interpreter with lm-eval and inspect-ai (default: $LISTEVAL_PEERS; without it, ours alone)"
        parser.add_argument("--peers", metavar="PYTHON", default=os.environ.get("LISTEVAL_PEERS"), help=text)
    if models:
        parser.add_argument("--models", metavar="CKPT", nargs="*", default=[], help="checkpoints to measure as well")
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
    path = RESULTS / f"{slug(here['cpu'])}-{here['cores']}core-{today}.json"
    path.parent.mkdir(exist_ok=True)
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept[report.benchmark] = {
        "machine": here,
        "load": report.load,
        "rows": [asdict(row) for row in report.rows],
        "figures": [asdict(figure) for figure in report.figures],
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


def _measure(contender: Contender, loops: int) -> Callable[[], float]:
    return lambda: _time(contender.call, loops) / (loops * contender.units)


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


def _spread(values: tuple[float, float, float]) -> str:
    return f"{values[0]:.3g} ({values[1]:.3g}-{values[2]:.3g})"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.exists() else []
    return names[0].strip() if names else platform.processor() or platform.machine()


def slug(text: str) -> str:
    """A name of hardware as a part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"\([RTM]+\)|@.*", "", text, flags=re.IGNORECASE).lower()).strip("-")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"
