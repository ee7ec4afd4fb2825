"""What the laboratory is for: lists break where the untrained target says, one item short."""

import math

import pytest

from listopd.cliff.arms import ArmSpec, StudyPair
from listopd.cliff.records import read_outcomes
from listopd.lab.runner import LabRunner

PAIR = StudyPair("flip", "S_sharp", "T_flip")
BELOW, BEYOND = 1.0, 1.5


@pytest.mark.slow
def test_a_student_beyond_the_flip_ends_its_lists_one_item_early(tmp_path):
    runner = LabRunner({}, device="cpu", keep=tmp_path / "starts")
    arms = [
        ArmSpec("P", PAIR, "listopd", lam, math.inf, 5e-4, seed, 32, (70,))
        for lam in (BELOW, BEYOND)
        for seed in (0, 1)
    ]
    below, beyond = runner.foretell(PAIR, [BELOW, BEYOND]).outcomes
    assert sum(outcome.parsed for outcome in below) > 0.9 * len(below)
    assert sum(outcome.fmc for outcome in beyond) > 0.9 * len(beyond)
    runner.run(arms, tmp_path / "arms", lambda steps, words: None)
    for arm in arms:
        outcomes = read_outcomes(tmp_path / "arms" / arm.id, 70)
        kept, early = (sum(getattr(outcome, name) for outcome in outcomes) for name in ("parsed", "fmc"))
        assert (kept > 0.7 * len(outcomes)) == (arm.lam == BELOW)
        assert (early > 0.7 * len(outcomes)) == (arm.lam == BEYOND)
