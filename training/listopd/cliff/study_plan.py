"""What a study would do, before anything is done: arms, cost, predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from listopd.cliff.arms import ArmSpec, ExpectedCost, Runner
from listopd.cliff.claim_series import ClaimSeries, claims_with_series
from listopd.cliff.claims import Claim
from listopd.cliff.records import read_log, unfinished
from listopd.cliff.study import StudyFile


def plan_of(file: StudyFile, runner: Runner, out: Path) -> dict[str, Any]:
    """JSON values: by part its arms and steps, the cost of all, and each prediction with the arms that it is about.

    Raises UserError for a prediction that means no arms.
    """
    left = {arm.id for arm in unfinished(file.arms, out / "arms")}
    to_come = [arm for arm in file.arms if arm.id in left]
    cost = runner.cost(to_come)
    if math.isnan(cost.seconds):
        cost = _measured(to_come, [arm for arm in file.arms if arm.id not in left], out, cost)
    return {
        "study": file.study.name,
        "sha256": file.sha256,
        "parts": {name: _part([arm for arm in file.arms if arm.part == name], left) for name in file.study.parts},
        "cost": {"seconds": None if math.isnan(cost.seconds) else cost.seconds, "words": cost.words},
        "predictions": [_prediction(one) for one in claims_with_series(file)],
    }


def _measured(
    to_come: Sequence[ArmSpec], finished: Sequence[ArmSpec], out: Path, unknown: ExpectedCost
) -> ExpectedCost:
    """From the steps that finished arms have logged, where they logged what each took."""
    logged = [line.get("seconds") for arm in finished for line in read_log(out / "arms" / arm.id)]
    seconds = [float(one) for one in logged if isinstance(one, int | float)]
    if not seconds:
        return unknown
    each = math.fsum(seconds) / len(seconds)
    return ExpectedCost(
        each * sum(arm.steps for arm in to_come), f"{each:.3g} s a step in finished arms; without evaluations"
    )


def _part(arms: list[ArmSpec], left: set[str]) -> dict[str, int]:
    return {"arms": len(arms), "steps": sum(arm.steps for arm in arms), "left": sum(arm.id in left for arm in arms)}


def _prediction(aimed: ClaimSeries) -> dict[str, Any]:
    claim, series, _ = aimed
    return {
        "id": claim.id,
        "kind": claim.kind,
        "says": claim.says or _words(claim),
        "about": series.name if series is not None else "no arms",
    }


def _words(claim: Claim) -> str:
    """The claim's own values, for one that its study says nothing of."""
    given = claim.model_dump(exclude={"id", "says", "of", "rival", "kind", "than"}, exclude_none=True)
    return ", ".join(f"{name} {value}" for name, value in given.items())


def plan_text(found: dict[str, Any]) -> str:
    """The plan as lines for a terminal."""
    lines = [f"{found['study']} (sha256 {found['sha256'][:12]})", ""]
    lines += [f"{'part':<12} {'arms':>6} {'arm-steps':>10} {'to come':>8}"]
    for name, part in found["parts"].items():
        lines.append(f"{name:<12} {part['arms']:>6} {part['steps']:>10} {part['left']:>8}")
    total = [sum(part[key] for part in found["parts"].values()) for key in ("arms", "steps", "left")]
    lines += [f"{'all':<12} {total[0]:>6} {total[1]:>10} {total[2]:>8}", "", f"cost: {_cost(found['cost'])}", ""]
    lines += [f"{one['id']}: {one['says']}\n    {one['kind']}, {one['about']}" for one in found["predictions"]]
    return "\n".join(lines) + "\n"


def _cost(cost: dict[str, Any]) -> str:
    seconds = cost["seconds"]
    if seconds is None:
        return str(cost["words"])
    minutes = math.ceil(seconds / 60)
    return f"about {minutes} minute{'' if minutes == 1 else 's'} ({cost['words']})"
