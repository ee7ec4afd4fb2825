"""`listopd.target_curve`: the target curve from Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from listopd.curve.curve_result import TargetCurve
from listopd.curve.locked import LIMIT
from listopd.probe.probe_config import build_config
from listopd.probe.run_probe import probe


def target_curve(
    teacher: str,
    base: str,
    task: str,
    *,
    answers: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> TargetCurve:
    """Decode greedily from the untrained target at every λ of a grid, and judge the answers by the task's contract.

    `teacher` and `base` are checkpoints of one tokenizer, `options` the further fields of `ProbeConfig` (`lambdas`,
    `floor`, `data`, `limit`, `options` of the task, ...). Answers are kept in the file `answers`, from which a call
    that was stopped goes on; `say` is told what is being done.

    Raises UserError for whatever a user can put right.
    """
    values = {"teacher": teacher, "base": base, "task": task, "limit": LIMIT, **options, "curve": True}
    found = probe(build_config(values), say, answers).curve
    assert found is not None, "a probe with a curve has one"
    return found
