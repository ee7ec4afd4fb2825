"""A sweep goes on where it was stopped, says how long it takes, and evaluates every arm."""

import pytest

from listeval.errors import UserError
from listopd.cliff.lock_study import lock_study
from listopd.cliff.records import is_done, read_log
from listopd.cliff.sweep import SweepProgress, chosen, sweep_arms
from tests.listopd.cliff.toy import Toy, falls_at


def test_an_interrupted_sweep_trains_no_step_twice(study, tmp_path):
    file, out = study(), tmp_path / "out"
    steps = sum(arm.steps for arm in file.arms)
    first = Toy(falls_at(1.15), stop_after=steps // 3)
    made = lock_study(file, first, out)
    with pytest.raises(KeyboardInterrupt):
        sweep_arms(made, file.arms, first, out)
    second = Toy(falls_at(1.15))
    assert sweep_arms(made, file.arms, second, out) == len(file.arms) - first.trained // 4
    assert first.trained + second.trained == steps
    assert all(is_done(out / "arms" / arm.id, arm) for arm in file.arms)
    assert sweep_arms(made, file.arms, second, out) == 0


def test_a_stopped_and_a_straight_sweep_give_the_same_answers(study, tmp_path):
    file = study()
    for name, stop in (("a", None), ("b", 50)):
        toy = Toy(falls_at(1.15), stop_after=stop)
        made = lock_study(file, toy, tmp_path / name)
        if stop:
            with pytest.raises(KeyboardInterrupt):
                sweep_arms(made, file.arms, toy, tmp_path / name)
        sweep_arms(made, file.arms, Toy(falls_at(1.15)), tmp_path / name)
    for arm in file.arms:
        a, b = (tmp_path / name / "arms" / arm.id for name in "ab")
        assert (a / "outcomes-000004.jsonl").read_bytes() == (b / "outcomes-000004.jsonl").read_bytes()
        assert read_log(a) == read_log(b)


def test_only_the_parts_that_are_named_are_swept(study, tmp_path):
    part = {"pairs": ["flip"], "lams": [1.0, 1.2], "lrs": [1e-3], "seeds": [0], "budgets": [2]}
    file, toy, out = study(parts={"P": part, "Q": part}, predictions=[]), Toy(falls_at(1.1)), tmp_path / "out"
    assert sweep_arms(lock_study(file, toy, out), chosen(file, ["Q"]), toy, out) == 2
    assert {arm.part for arm in file.arms if is_done(out / "arms" / arm.id, arm)} == {"Q"}
    with pytest.raises(UserError, match="no part 'R'"):
        chosen(file, ["R"])


def test_the_time_left_is_that_of_the_pace_so_far():
    now, said = [0.0], []
    tell = SweepProgress(1000, said.append, lambda: now[0])
    for _ in range(10):
        now[0] += 1
        tell(10, "arm")
    assert said[0] == "20/1000 arm-steps, arm, 1:38 left"
    assert 4 <= len(said) <= 6
    now[0] += 0.1
    tell(900, "arm")
    assert said[-1] == "1000/1000 arm-steps, arm"
