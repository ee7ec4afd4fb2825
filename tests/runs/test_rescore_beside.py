"""A re-score beside other processes: what they finished before it is kept, and none writes while it works."""

import sys

import pytest

from listeval.errors import UserError
from listeval.runs import load_run, rescore

MODULE = sys.modules[rescore.__module__]
MOMENTS = ("load_run", "exclusive")
"""What a re-score does before it holds the run."""


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_another_process_finishes_before_the_lock_is_kept(start, monkeypatch, moment):
    path, step, calls = start(limit=4).path, getattr(MODULE, moment), []

    def late(*args):
        found = step(*args)
        if not calls:
            calls.append(start(limit=9, seeds=(0, 1)).manifest)
        return found

    monkeypatch.setattr(MODULE, moment, late)
    done = rescore(path)
    assert (done.summary.n, done.hidden) == (18, 0)
    kept = load_run(path)
    assert kept.manifest == calls[0] and len(kept.manifest.attempts) == 2
    assert kept.summary.n == 18 and kept.is_concluded


@pytest.mark.parametrize("moment", ["make_task", "parse_and_score", "write_atomic", "task_entry"])
def test_nobody_writes_a_run_while_it_is_scored(start, monkeypatch, moment):
    path, step, refused = start(limit=4).path, getattr(MODULE, moment), []

    def beside(*args):
        with pytest.raises(UserError, match="another process"):
            start(limit=9)
        refused.append(moment)
        return step(*args)

    monkeypatch.setattr(MODULE, moment, beside)
    assert rescore(path).summary.n == 4 and refused
