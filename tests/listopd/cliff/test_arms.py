"""Arms are named by what they are, and an arm's directory says whose it is and whether it is finished."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.errors import UserError
from listopd.cliff.arms import METHODS, ArmSpec, StudyPair
from listopd.cliff.records import (
    AnswerOutcome,
    begin,
    finish,
    is_done,
    log_file,
    read_log,
    read_outcomes,
    write_outcomes,
)

ARM = ArmSpec("P", StudyPair("flip", "sharp", "flip"), "listopd", 1.15, math.inf, 5e-4, 3, 32, (70, 140))
NUMBERS = st.floats(0, 100, allow_nan=False)
ARMS = st.builds(
    ArmSpec,
    st.text(min_size=1),
    st.builds(StudyPair, st.text(), st.text(), st.text(), st.none() | st.text(), st.text()),
    st.sampled_from(METHODS),
    NUMBERS,
    NUMBERS | st.just(math.inf),
    NUMBERS,
    st.integers(),
    st.integers(1, 99),
    st.lists(st.integers(0, 999), min_size=1).map(lambda values: tuple(sorted(values))),
    st.dictionaries(st.text(), st.integers()),
)


@given(ARMS)
def test_an_arm_comes_back_from_its_json(arm):
    assert ArmSpec.from_json(arm.to_json()) == arm
    assert ArmSpec.from_json(arm.to_json()).id == arm.id


@given(ARMS)
def test_an_id_is_a_plain_folder_name(arm):
    assert "/" not in arm.id
    assert arm.id.isascii()
    assert not set(arm.id) & set(' \\:*?"<>|\n\0')


@given(ARMS, ARMS)
def test_different_arms_have_different_ids(one, other):
    assert (one.id == other.id) == (one.to_json() == other.to_json())


def test_an_arm_is_finished_only_once_all_its_answers_are_written(tmp_path):
    begin(tmp_path, ARM)
    write_outcomes(tmp_path, 70, [AnswerOutcome("a", "ok", useful=0.5)])
    with pytest.raises(UserError, match="140 steps"):
        finish(tmp_path, ARM, {})
    assert not is_done(tmp_path, ARM)
    write_outcomes(tmp_path, 140, [AnswerOutcome("a", "missing_id", fmc=True, useful=0.0)])
    finish(tmp_path, ARM, {"device": "cpu"})
    assert is_done(tmp_path, ARM)
    assert read_outcomes(tmp_path, 140) == [AnswerOutcome("a", "missing_id", fmc=True, useful=0.0)]


def test_a_directory_serves_one_arm(tmp_path):
    other = replace(ARM, seed=4)
    begin(tmp_path, ARM)
    with pytest.raises(UserError, match="another arm"):
        begin(tmp_path, other)
    for steps in ARM.budgets:
        write_outcomes(tmp_path, steps, [])
    finish(tmp_path, ARM, {})
    with pytest.raises(UserError, match="another arm"):
        is_done(tmp_path, other)


def test_of_a_torn_log_the_whole_steps_are_read_and_the_last_of_each_counts(tmp_path):
    log_file(tmp_path).write_text('{"step": 1, "x": 1}\n{"step": 2, "x": 2}\n{"step": 2, "x": 3}\n{"step": 3, "x')
    assert read_log(tmp_path) == [{"step": 1, "x": 1}, {"step": 2, "x": 3}]


@pytest.mark.parametrize(
    "line", ["{}", "[1", '{"prompt": 1, "kind": "ok"}', '{"prompt": "a", "kind": "ok", "useful": "x"}', "\0"]
)
def test_damaged_answers_are_one_line(tmp_path, line):
    write_outcomes(tmp_path, 70, [AnswerOutcome("a", "ok")])
    with (tmp_path / "outcomes-000070.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UserError, match="after 70 steps cannot be read") as error:
        read_outcomes(tmp_path, 70)
    assert "\n" not in str(error.value)
