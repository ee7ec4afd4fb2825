"""A lock fixes what was foretold: nothing that it depends on may change after it, and none may be made too late."""

import json
import math

import pytest

from listeval.errors import UserError
from listopd.cliff.lock import read_lock
from listopd.cliff.lock_study import lock_study
from listopd.cliff.sweep import sweep_arms
from listopd.cliff.verify import verify_study
from tests.listopd.cliff.toy import Toy, falls_at


@pytest.fixture
def toy():
    return Toy(falls_at(1.15))


def test_a_lock_holds_the_predicted_numbers_and_what_they_hang_on(study, tmp_path, toy):
    file = study()
    made = lock_study(file, toy, tmp_path / "out")
    back = read_lock(file, tmp_path / "out")
    assert back == made
    assert back.numbers == {"where": pytest.approx(1.15, abs=0.026)}
    assert back.content["study"]["sha256"] == file.sha256
    assert back.content["inputs"] == {"data": "data", "part P": "as it is"}
    assert set(back.content["code"]) == {"listeval", "listopd"}
    assert [len(told) for told in back.foretold["flip"].outcomes] == [40] * 7


def _number(value):
    value["numbers"]["where"] = 1.3


def _reseal(value):
    from listopd.cliff.lock import _seal

    _number(value)
    value.pop("seal")
    value["seal"] = _seal(value)


def _arms(value):
    value["arms"].pop()


@pytest.mark.parametrize("tamper", [_number, _arms])
def test_an_altered_lock_is_refused(study, tmp_path, toy, tamper):
    file, out = study(), tmp_path / "out"
    lock_study(file, toy, out)
    value = json.loads((out / "lock.json").read_text())
    tamper(value)
    (out / "lock.json").write_text(json.dumps(value))
    with pytest.raises(UserError, match="altered after it was made"):
        read_lock(file, out)


def test_a_lock_that_was_altered_and_sealed_anew_is_refused_once_arms_were_trained(study, tmp_path, toy):
    file, out = study(), tmp_path / "out"
    sweep_arms(lock_study(file, toy, out), file.arms, toy, out)
    value = json.loads((out / "lock.json").read_text())
    _reseal(value)
    (out / "lock.json").write_text(json.dumps(value))
    with pytest.raises(UserError, match="not the one that the arms were trained under"):
        read_lock(file, out)


@pytest.mark.parametrize(
    ("name", "value"),
    [("foretold", {}), ("numbers", {}), ("numbers", {"where": "x"}), ("foretold", {"flip": 1}), ("inputs", None)],
)
def test_a_lock_that_somebody_sealed_without_its_parts_is_one_line(study, tmp_path, toy, name, value):
    from listopd.cliff.lock import _seal

    file, out = study(), tmp_path / "out"
    lock_study(file, toy, out)
    content = json.loads((out / "lock.json").read_text()) | {name: value}
    del content["seal"]
    (out / "lock.json").write_text(json.dumps({"seal": _seal(content), **content}))
    with pytest.raises(UserError, match="the lock") as error:
        read_lock(file, out)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"seal": 1, "study": 2}', "\udcff"])
def test_a_damaged_lock_is_one_line(study, tmp_path, toy, text):
    file, out = study(), tmp_path / "out"
    lock_study(file, toy, out)
    (out / "lock.json").write_text(text, errors="surrogateescape")
    with pytest.raises(UserError) as error:
        read_lock(file, out)
    assert "\n" not in str(error.value)


def test_an_altered_study_is_refused(study, tmp_path, toy):
    lock_study(study(), toy, tmp_path / "out")
    with pytest.raises(UserError, match="study was altered"):
        read_lock(study(draws=500), tmp_path / "out")


def test_nothing_is_locked_twice_or_after_an_arm_has_begun(study, tmp_path, toy):
    file, out = study(), tmp_path / "out"
    lock_study(file, toy, out)
    with pytest.raises(UserError, match="locked already"):
        lock_study(file, toy, out)
    (out / "lock.json").unlink()
    (out / "arms" / file.arms[0].id).mkdir(parents=True)
    with pytest.raises(UserError, match="arms have begun"):
        lock_study(file, toy, out)


def test_other_data_or_code_than_locked_trains_nothing(study, tmp_path, toy, monkeypatch):
    file, out = study(), tmp_path / "out"
    made = lock_study(file, toy, out)
    with pytest.raises(UserError, match="not what was locked: data"):
        sweep_arms(made, file.arms, Toy(falls_at(1.15), data="other"), out)
    monkeypatch.setattr("listopd.cliff.lock.code", lambda: {"listeval": "x", "listopd": "y"})
    with pytest.raises(UserError, match="not what was locked: listeval, listopd"):
        sweep_arms(made, file.arms, toy, out)
    assert not (out / "arms").exists()


@pytest.mark.parametrize("lams", [[1.0], [1.0, 1.15]])
def test_a_rule_that_says_nothing_of_its_pair_abstains_and_decides_nothing(study, tmp_path, lams):
    """One λ is no curve; and 40 prompts, of which some fail, do not show that there is no cliff up to 1.15."""
    claim = {"id": "where", "kind": "midpoint", "of": {"part": "P"}, "at": "curve"}
    file, toy, out = study(curve=lams, predictions=[claim]), Toy(falls_at(1.15), foretold=1.1501), tmp_path / "out"
    made = lock_study(file, toy, out)
    assert math.isnan(made.numbers["where"])
    sweep_arms(made, file.arms, toy, out)
    (found,) = verify_study(file, read_lock(file, out), out)
    assert found.verdict == "not decidable"
    assert "abstained" in found.expected


def test_an_unlocked_study_is_neither_swept_nor_verified(study, tmp_path):
    with pytest.raises(UserError, match="not locked"):
        read_lock(study(), tmp_path / "out")


def test_the_seal_is_in_what_verify_writes(study, tmp_path, toy):
    file, out = study(), tmp_path / "out"
    made = lock_study(file, toy, out)
    verify_study(file, made, out)
    assert json.loads((out / "verify.json").read_text())["lock"] == made.seal


def test_what_the_base_itself_does_is_no_part_of_the_target_curve(study, tmp_path, toy):
    """At λ = 0 the target is the base, which may parse nothing."""
    grid = [1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3]
    numbers = [
        lock_study(study(curve=lams), Toy(falls_at(1.15), base=0.0), tmp_path / f"{len(lams)}").numbers
        for lams in (grid, [0.0, 0.5, *grid])
    ]
    assert numbers[0] == numbers[1]
