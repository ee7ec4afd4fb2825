"""What an arm changes against the baseline, and which four arms are a 2x2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from listeval.comparison.arms import Arm
from listeval.comparison.thresholds import Way
from listeval.contract import Kind
from listeval.runs.stored_row import StoredRow


class ArmSetup(NamedTuple):
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
    def of(cls, arm: Arm) -> ArmSetup:
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

    def with_constraint_of(self, other: ArmSetup) -> ArmSetup:
        """The same held to the constraint of `other`."""
        return self._replace(constraint=other.constraint, spacing=other.spacing, engine=other.engine)


def _engine(arm: Arm) -> str | None:
    found = arm.run.manifest.held_to
    return found.engine if found is not None and found.engine else arm.run.manifest.config.engine


def ways(arm: Arm, base: Arm) -> tuple[Way, ...]:
    """All that an arm needs which the baseline does not; `change` where none of the others explains it."""
    setup, before = ArmSetup.of(arm), ArmSetup.of(base)
    needed: list[Way] = []
    if setup.repairs and setup.repairs != before.repairs:
        needed.append("repair")
    if setup.constraint not in ("none", before.constraint):
        needed.append("constrain")
    if setup.attempts > max(1, before.attempts):
        needed.append("re-ask")
    if setup.weights != before.weights:
        needed.append("train")
    return tuple(needed) or ("change",)


def keeps_parsed_answers(arm: Arm, base: Arm, rows: Sequence[StoredRow], base_rows: Sequence[StoredRow]) -> bool:
    """Whether an arm leaves every answer that parsed as it was, by construction.

    True of the baseline repaired, and of the baseline asked again where every answer that parsed came back the same.
    """
    needed = ways(arm, base)
    if needed == ("repair",) and arm.run.path == base.run.path and base.repairs is None:
        return True
    same_texts = all(a.text == b.text for a, b in zip(rows, base_rows, strict=True) if b.kind == Kind.OK)
    return needed == ("re-ask",) and same_texts


class TwoByTwo(NamedTuple):
    """Places of four arms: neither, constrained alone, trained alone, both."""

    neither: int
    constrained: int
    trained: int
    both: int


def two_by_twos(arms: Sequence[Arm]) -> list[TwoByTwo]:
    """Every 2x2 of training and one constraint around the baseline, in the order of the arms."""
    setups = [ArmSetup.of(arm) for arm in arms]
    base = setups[0]
    if base.constraint != "none":
        return []
    place_of = {setup: place for place, setup in reversed(list(enumerate(setups)))}
    squares = []
    for trained, setup in enumerate(setups):
        if setup.weights == base.weights or setup != base._replace(weights=setup.weights):
            continue
        for both, constrained in enumerate(setups):
            alone = place_of.get(constrained._replace(weights=base.weights))
            if (
                constrained.constraint != "none"
                and constrained == setup.with_constraint_of(constrained)
                and alone is not None
            ):
                squares.append(TwoByTwo(0, alone, trained, both))
    return squares
