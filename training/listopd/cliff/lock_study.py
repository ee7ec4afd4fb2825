"""Locking a study: every pair is foretold without training, and every claim gets its number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from listopd.cliff.arms import Runner
from listopd.cliff.claim_series import claims_with_series, numbers
from listopd.cliff.lock import Lock, check_unlocked, write_lock
from listopd.cliff.study import StudyFile


def lock_study(file: StudyFile, runner: Runner, out: Path, say: Callable[[str], None] = lambda line: None) -> Lock:
    """Foretell, and write the lock.

    Raises UserError where the study is locked already or an arm has begun, and as the runner.
    """
    check_unlocked(out)
    aimed = claims_with_series(file)
    say("fingerprinting what the arms begin from")
    inputs = runner.inputs(file.arms)
    pairs = {arm.pair.name: arm.pair for arm in file.arms}
    foretold = {}
    for name, pair in pairs.items():
        say(f"foretelling {name}: {pair.teacher} -> {pair.student}")
        foretold[name] = runner.foretell(pair, file.study.curve_lams(name))
    return write_lock(file, out, inputs, foretold, numbers(aimed, foretold, file.study.draws))
