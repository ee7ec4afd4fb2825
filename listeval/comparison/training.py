"""What a trained arm's weights cost, read from the files that `listeval train` left beside them.

A training run holds `manifest.json` (steps, device, processes, models) and `log.jsonl` with the seconds of each step; a
checkpoint that was handed on may hold the manifest alone, as `training.json`. Where training went on from weights that
were trained before, those count too, back to the baseline's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from listeval.comparison.arms import Arm
from listeval.comparison.ways import ArmSetup

_MOST = 1 << 53
_STAGES = 8
"""A chain of trainings is followed so far back."""


@dataclass(frozen=True)
class Training:
    """Seconds on `device`, summed over processes; None where a stage did not record them. Steps are optimiser steps."""

    steps: int
    seconds: float | None
    device: str


def training(arm: Arm, base: Arm) -> Training | None:
    """The trainings between the baseline's weights and the arm's; None where no file tells of any."""
    if any(side.run.manifest.model.adapter for side in (arm, base)):
        return None  # what trained an adapter stands in no file that we write
    path: Any = arm.run.manifest.model.path
    end = ArmSetup.of(base).weights
    steps, seconds, device, known = 0, 0.0, "", True
    for _ in range(_STAGES):
        found = _manifest(Path(path)) if isinstance(path, str) and path else None
        if found is None:
            break
        processes = found.get("processes") or 1
        taken = _logged(Path(path).parent / "log.jsonl")
        steps, device = steps + int(found.get("steps") or 0), device or str(found.get("device", ""))
        known = known and taken is not None
        seconds += (taken or 0.0) * (processes if _is_count(processes) else 1)
        start = _start(found)
        if start.get("fingerprint") == end:
            break
        path = start.get("name")
    return Training(steps, seconds if known else None, device) if steps else None


def _manifest(checkpoint: Path) -> dict[str, Any] | None:
    for file in (checkpoint / "training.json", checkpoint.parent / "manifest.json"):
        try:
            found = json.loads(file.read_bytes()) if file.is_file() else None
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(found, dict) and _is_count(found.get("steps")) and "stage" in found:
            return found
    return None


def _start(manifest: dict[str, Any]) -> dict[str, Any]:
    models = manifest.get("models")
    found = models.get("student") or models.get("start") if isinstance(models, dict) else None
    return found if isinstance(found, dict) else {}


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _logged(log: Path) -> float | None:
    """Seconds of all steps of a log; None where there is none, or a line that is not one of a training."""
    if not log.is_file():
        return None
    try:
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        seconds = float(sum(line["seconds"] for line in lines))
        return seconds if lines and 0 <= seconds < _MOST else None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def training_lambda(checkpoint: Any) -> float | None:
    """The constant λ by which a checkpoint's last stage was trained; None where no file tells of one."""
    found = _manifest(Path(checkpoint)) if isinstance(checkpoint, str) and checkpoint else None
    for part in ("objective", "extrapolation"):
        found = found.get(part) if isinstance(found, dict) else None
    if not isinstance(found, dict) or found.get("kind") != "constant":
        return None
    value = found.get("value")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
