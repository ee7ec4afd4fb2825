"""The lines of a run on disk, as a table, and published under the card's name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu.plan import PHASES
from benchmarks.gpu.runner import Line
from benchmarks.harness import RESULTS, slug

_OWN = ("phase", "case", "status", "error", "passes", "goal", "rehearsal", "versions", "wall_s")
_PASSES: Mapping[bool | None, str] = {True: "yes", False: "**no**", None: ""}
DONE = ("ok", "oom", "absent")
"""Statuses that answer what was asked: `absent` is a package that is not installed."""


def recorder(out: Path, *, rehearse: bool, say: Callable[[str], None] = print) -> Callable[[Line], None]:
    """What appends a line to the run's file at once, so that a run that is cut off keeps it, and says it."""

    def record(line: Line) -> None:
        line = line | {"rehearsal": rehearse}
        with (out / "results.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        say(f"{line['phase']}: {line['case']}: {line['status']} {_words(line)}".rstrip())

    return record


def read_lines(out: Path) -> list[Line]:
    """The last line of every case, in the plan's order; a line that was torn off is left out."""
    found: dict[tuple[str, str], Line] = {}
    file = out / "results.jsonl"
    for text in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        found[line["phase"], line["case"]] = line
    places = [(phase.name, case) for phase in PHASES for case in phase.cases]
    return [found[place] for place in places if place in found]


def table(lines: Sequence[Line]) -> str:
    """Markdown: a row for every case, with all its figures."""
    rows = ["| phase | case | result | passes | figures |", "|" + "---|" * 5]
    for line in lines:
        passes = _PASSES[line.get("passes")]
        if passes and line.get("goal"):
            passes += f" ({line['goal']})"
        rows.append(f"| {line['phase']} | {line['case']} | {line['status']} | {passes} | {_cell(_words(line))} |")
    return "\n".join(rows)


def publish(lines: Sequence[Line], folder: Path = RESULTS) -> Path:
    """Write `<card>-<date>.json` and `.md`. Raises ValueError for a rehearsal, and where the machine is not known."""
    if any(line.get("rehearsal") for line in lines):
        raise ValueError("a rehearsal measures nothing: it is not published")
    machine: Mapping[str, Any] = next((x for x in lines if x["phase"] == "versions" and x["status"] == "ok"), {})
    if not machine:
        raise ValueError("the card is not known: run the phase 'versions' into the same --out")
    path = folder / f"{slug(machine['card'])}-{machine['date']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(list(lines), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    there = {line["phase"] for line in lines}
    asks = "\n".join(f"- {phase.name}: {phase.asks}" for phase in PHASES if phase.name in there)
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    text = f"# {machine['card']}, {machine['date']}\n\n{versions}\n\n{asks}\n\n{table(lines)}\n"
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    return path


def _words(line: Line) -> str:
    figures = [f"{name} {_figure(value)}" for name, value in line.items() if name not in _OWN]
    return ", ".join([*([str(line["error"])] if line.get("error") else []), *figures])


def _figure(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
