"""All predictions of a locked study, judged by what the arms gave."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic_core import to_json

from listeval.disk import write_atomic
from listeval.errors import ExitCode
from listopd.cliff.claim_series import ClaimSeries, claims_with_series
from listopd.cliff.judge_claims import SweepEvidence, judge_claim
from listopd.cliff.lock import Lock
from listopd.cliff.study import StudyFile
from listopd.cliff.verdict import ClaimFinding, ClaimVerdict, Judgement, NotDecidable


def verify_study(file: StudyFile, lock: Lock, out: Path) -> list[ClaimFinding]:
    """One finding a prediction, in the study's order; also written to `out`/verify.json.

    Raises UserError for files of an arm that are damaged.
    """
    evidence = SweepEvidence(out / "arms", file.study.draws, lock.numbers)
    found = [_judge(aimed, evidence) for aimed in claims_with_series(file)]
    write_atomic(out / "verify.json", as_json(found, lock).encode())
    return found


def as_json(found: Sequence[ClaimFinding], lock: Lock) -> str:
    """One JSON object: the lock's seal and the findings."""
    value = {"lock": lock.seal, "findings": [one._asdict() | {"value": _interval(one)} for one in found]}
    return json.dumps(json.loads(to_json(value, inf_nan_mode="strings")), indent=1, ensure_ascii=False) + "\n"


def findings_text(found: Sequence[ClaimFinding]) -> str:
    """A few lines a prediction, for a terminal."""
    lines: list[str] = []
    for one in found:
        rival = " (a rival's)" if one.rival else ""
        lines += [f"{one.id}: {one.verdict.upper()}{rival}" + (f" - {one.says}" if one.says else "")]
        lines += [f"    expected {one.expected}; seen {one.observed}"]
        lines += [f"    {one.series}; {one.seeds} seeds, {one.prompts} prompts"]
    counts = {verdict: sum(one.verdict is verdict for one in found) for verdict in ClaimVerdict}
    return "\n".join([*lines, "", ", ".join(f"{n} {verdict}" for verdict, n in counts.items())]) + "\n"


def exit_code(found: Sequence[ClaimFinding]) -> ExitCode:
    """4 where a prediction is missed that is no rival's."""
    return ExitCode.PREDICTION_MISSED if any(one.counts for one in found) else ExitCode.OK


def _judge(aimed: ClaimSeries, evidence: SweepEvidence) -> ClaimFinding:
    claim, series, others = aimed
    about = [one for one in (series, *others) if one is not None]
    arms = sum(len(one.arms) for one in about)
    missing = sum(one.unfinished(evidence.out) for one in about)
    if missing:
        judged = Judgement(
            ClaimVerdict.UNDECIDED, claim.says or claim.kind, f"{missing} of {arms} arms are not finished"
        )
    else:
        judged = _judgement(aimed, evidence)
    seeds = min((len(one.seeds) for one in about), default=0)
    prompts = 0 if missing or series is None else min(map(len, series.answers(evidence.out).values()))
    name = "; ".join(one.name for one in about) or "no arms"
    return ClaimFinding(
        claim.id, claim.kind, claim.says, claim.rival, judged[0], judged[1], judged[2], name, seeds, prompts, judged[3]
    )


def _judgement(aimed: ClaimSeries, evidence: SweepEvidence) -> Judgement:
    """A claim that cannot be decided takes no other verdict with it."""
    try:
        return judge_claim(aimed, evidence)
    except NotDecidable as why:
        return Judgement(ClaimVerdict.UNDECIDED, aimed.claim.says or aimed.claim.kind, str(why))


def _interval(found: ClaimFinding) -> dict[str, float] | None:
    return None if found.value is None else found.value._asdict()
