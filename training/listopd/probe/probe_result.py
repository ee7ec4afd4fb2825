"""What a probe gives: its manifest, the rollouts' fate, and a part for each kind of answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from listeval.stats.intervals import Interval
from listopd.probe.summary import ProbePart, ProbeRow
from listopd.threshold.evidence import Measured

if TYPE_CHECKING:
    from listopd.curve.curve_result import TargetCurve


class RolloutCounts(NamedTuple):
    """How the rollouts keep the contract; `kinds` by frequency, `ok` among them."""

    writer: str
    n: int
    parsed: int
    fmc: int
    kinds: dict[str, int]


@dataclass(frozen=True)
class ProbeResult:
    """Complete enough to repeat it: `manifest` holds configuration, models, data and versions."""

    manifest: dict[str, Any]
    rollouts: RolloutCounts | None
    parts: tuple[ProbePart, ...]
    curve: TargetCurve | None = None

    def to_json(self) -> str:
        """One JSON object; numbers that are not finite are the strings "Infinity" (no upper threshold) and "NaN"."""
        from pydantic_core import to_json

        rollouts = self.rollouts and self.rollouts._asdict()
        value = {"manifest": self.manifest, "rollouts": rollouts, "parts": [_part(part) for part in self.parts]}
        if self.curve is not None:
            value["curve"] = self.curve.to_dict()
        return to_json(value, inf_nan_mode="strings", indent=1).decode()

    @property
    def shown(self) -> str:
        """Teacher, base and task in one line."""
        config = self.manifest["config"]
        return f"{config['teacher']} -> {config['base']} on {config['task']}"


def _part(part: ProbePart) -> dict[str, Any]:
    verdict = part.verdict
    return part._asdict() | {
        "classes": [_row(row) for row in part.classes],
        "items": [_row(row) for row in part.items],
        "flips": [flip._asdict() | {"meaning": flip.kind.meaning} for flip in part.flips],
        "bounds": [bound._asdict() | {"star": bound.star._asdict()} for bound in part.bounds],
        "verdict": {
            "outcome": verdict.outcome.value,
            "failed": verdict.failed and verdict.failed.value,
            "sentence": verdict.sentence,
            "measured": _measured(verdict.measured),
            "checks": [check._asdict() | {"held": check.held} for check in verdict.checks],
        },
    }


def _measured(found: Measured) -> dict[str, Any]:
    return {name: value._asdict() if isinstance(value, Interval) else value for name, value in found._asdict().items()}


def _row(row: ProbeRow) -> dict[str, Any]:
    return row._asdict() | {"meaning": row.kind.meaning, "p": row.p._asdict(), "b": row.b._asdict()}
