"""What an arm changes against the baseline, and which four arms are a 2x2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from listeval.comparison.arms import Arm
from listeval.comparison.thresholds import Way
from listeval.contract import Kind
from listeval.runs.rows import Row


class Setup(NamedTuple):
    """What an arm is made of, as far as ways tell arms apart."""

    weights: object
    constraint: str
    spacing: str | None
    """How free the constraint leaves spaces between separators; None where the run does not say, or has none."""
    engine: str | None
    """What enforces the constraint; None where there is none."""
    attempts: int
    """How often a sample is asked at most."""
    repairs: tuple[str, ...]

    @classmethod
    def of(cls, arm: Arm) -> Setup:
        manifest = arm.run.manifest
        held = manifest.constraint != "none"
        return cls(
            weights=manifest.model.weights,
            constraint=str(manifest.constraint),
            spacing=str(spacing) if held and (spacing := getattr(manifest.config, "spacing", None)) else None,
            engine=_engine(arm) if held else None,
            attempts=int(getattr(manifest.config, "attempts", None) or 1),
            repairs=arm.repairs.policies if arm.repairs is not None else (),
        )

    def under(self, other: Setup) -> Setup:
        """The same held to the constraint of `other`."""
        return self._replace(constraint=other.constraint, spacing=other.spacing, engine=other.engine)


def _engine(arm: Arm) -> str | None:
    found = arm.run.manifest.held_to
    return found.engine if found is not None and found.engine else arm.run.manifest.config.engine


def ways(arm: Arm, base: Arm) -> tuple[Way, ...]:
    """All that an arm needs which the baseline does not; `change` where none of the others explains it."""
    own, other = Setup.of(arm), Setup.of(base)
    found: list[Way] = []
    if own.repairs and own.repairs != other.repairs:
        found.append("repair")
    if own.constraint not in ("none", other.constraint):
        found.append("constrain")
    if own.attempts > max(1, other.attempts):
        found.append("re-ask")
    if own.weights != other.weights:
        found.append("train")
    return tuple(found) or ("change",)


def unchanged(arm: Arm, base: Arm, rows: Sequence[Row], base_rows: Sequence[Row]) -> bool:
    """Whether an arm leaves every answer that parsed as it was, by construction.

    True of the baseline repaired, and of the baseline asked again where every answer that parsed came back the same.
    """
    own = ways(arm, base)
    if own == ("repair",) and arm.run.path == base.run.path and base.repairs is None:
        return True
    kept = all(a["text"] == b["text"] for a, b in zip(rows, base_rows, strict=True) if b["kind"] == Kind.OK)
    return own == ("re-ask",) and kept


class Square(NamedTuple):
    """Places of four arms: neither, constrained alone, trained alone, both."""

    neither: int
    constrained: int
    trained: int
    both: int


def squares(arms: Sequence[Arm]) -> list[Square]:
    """Every 2x2 of training and one constraint around the baseline, in the order of the arms."""
    setups = [Setup.of(arm) for arm in arms]
    base = setups[0]
    if base.constraint != "none":
        return []
    at = {setup: place for place, setup in reversed(list(enumerate(setups)))}
    found = []
    for trained, setup in enumerate(setups):
        if setup.weights == base.weights or setup != base._replace(weights=setup.weights):
            continue
        for both, own in enumerate(setups):
            alone = at.get(own._replace(weights=base.weights))
            if own.constraint != "none" and own == setup.under(own) and alone is not None:
                found.append(Square(0, alone, trained, both))
    return found
