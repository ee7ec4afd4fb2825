"""The laboratory answers a study's runner: foretells, trains, evaluates, and goes on where it was cut off."""

import json
import math
from dataclasses import replace

import pytest

from listeval.errors import UserError
from listopd.cliff.arms import ArmSpec, StudyPair
from listopd.cliff.records import is_done, log_file, manifest_of, read_log, read_outcomes
from listopd.lab.runner import LabRunner

PAIR = StudyPair("flip", "S_sharp", "T_flip")
OPTIONS = {"items": 3, "ids": 6, "prompts": 12, "log_every": 2, "save_every": 2}
ARM = ArmSpec("P", PAIR, "listopd", 1.2, math.inf, 1e-3, 0, 8, (3, 6))
ARMS = [
    ARM,
    replace(ARM, lam=2.0, cap=2.0, seed=1),
    replace(ARM, method="exact", budgets=(4,)),
    replace(ARM, method="start", budgets=(0,), lr=0.0),
    replace(ARM, method="aspo", settings={"updates": 2}, budgets=(2,)),
]


def quiet(steps, words):
    """No progress."""


def lab(tmp_path, **options):
    return LabRunner(OPTIONS | options, device="cpu", keep=tmp_path / "starts")


@pytest.fixture(autouse=True)
def _quick(quick):
    pass


def files(folder):
    """What an arm's directory says, without the state and the time."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "state.safetensors"}


def test_arms_are_trained_evaluated_and_finished(tmp_path):
    told = []
    lab(tmp_path).run(ARMS, tmp_path / "arms", lambda steps, words: told.append(steps))
    assert sum(told) == sum(arm.steps for arm in ARMS)
    for arm in ARMS:
        folder = tmp_path / "arms" / arm.id
        assert is_done(folder, arm)
        assert not (folder / "state.safetensors").exists()
        for budget in arm.budgets:
            outcomes = read_outcomes(folder, budget)
            assert [outcome.prompt for outcome in outcomes] == [f"p{at:04d}" for at in range(12)]
        assert manifest_of(folder, arm)["starts"]["S_sharp"]["sha256"]
    line = read_log(tmp_path / "arms" / ARM.id)[-1]
    assert line["step"] == 6
    assert {"parse_rate", "fmc", "kinds", "reverse_kl", "p", "b", "theta", "clipped"} <= set(line)
    assert set(line["p"]) == {"sep 1", "sep 2", "sep 3"}


def test_an_arm_gives_the_same_files_alone_and_side_by_side(tmp_path):
    arms = [replace(ARM, lam=lam, seed=seed) for lam in (1.0, 1.5, 3.0) for seed in (0, 1)]
    lab(tmp_path).run(arms, tmp_path / "all", quiet)
    lab(tmp_path, side_by_side=1).run(arms[3:4], tmp_path / "one", quiet)
    alone, among = files(tmp_path / "one" / arms[3].id), files(tmp_path / "all" / arms[3].id)
    alone.pop("done.json"), among.pop("done.json")
    assert alone == among


class Killed(Exception):
    """Stands for kill -9."""


@pytest.mark.parametrize("after", [1, 3, 5])
def test_what_was_cut_off_goes_on_and_ends_the_same(tmp_path, after):
    lab(tmp_path).run(ARMS[:2], tmp_path / "whole", quiet)
    left = [after]

    def tell(steps, words):
        left[0] -= bool(steps)
        if left[0] < 0:
            raise Killed

    with pytest.raises(Killed):
        lab(tmp_path).run(ARMS[:2], tmp_path / "cut", tell)
    counted = []
    lab(tmp_path).run(ARMS[:2], tmp_path / "cut", lambda steps, words: counted.append(steps))
    for arm in ARMS[:2]:
        whole, cut = (files(tmp_path / name / arm.id) for name in ("whole", "cut"))
        assert set(whole) == set(cut)
        assert {name: text for name, text in whole.items() if name.startswith("outcomes")} == {
            name: text for name, text in cut.items() if name.startswith("outcomes")
        }
        assert read_log(tmp_path / "whole" / arm.id) == read_log(tmp_path / "cut" / arm.id)
    # At most what came after the last save is done again.
    assert sum(counted) <= 2 * (6 - after // 2 * 2)


def test_finished_arms_are_left_alone(tmp_path):
    lab(tmp_path).run(ARMS[:1], tmp_path / "arms", quiet)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "arms" / ARM.id).iterdir()}
    lab(tmp_path).run(ARMS[:1], tmp_path / "arms", quiet)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "arms" / ARM.id).iterdir()} == before


def test_inputs_name_the_starts_and_do_not_change_by_what_changes_no_number(tmp_path):
    first = lab(tmp_path).inputs(ARMS)
    assert {"options", "start teacher", "start S_sharp", "start T_flip"} == set(first)
    assert lab(tmp_path, side_by_side=3, save_every=1).inputs(ARMS) == first
    assert LabRunner(OPTIONS, device="cpu").inputs(ARMS) == first
    assert lab(tmp_path, prompts=13).inputs(ARMS) != first


def test_a_pair_is_foretold_without_training(tmp_path):
    runner = lab(tmp_path)
    found = runner.foretell(PAIR, [0.0, 1.0, 1.5])
    assert [len(row) for row in found.outcomes] == [12, 12, 12]
    starts = [
        replace(ARM, method="start", budgets=(0,), pair=StudyPair("x", name, "teacher"))
        for name in ("S_sharp", "T_flip")
    ]
    runner.run(starts, tmp_path / "arms", quiet)
    for at, arm in enumerate(starts):
        assert list(found.outcomes[at]) == read_outcomes(tmp_path / "arms" / arm.id, 0)
    assert {"sep 1", "sep 2", "sep 3"} <= set(found.positions)
    assert all(0 < p < 1 and 0 < b < 1 for p, b in found.positions.values())


def test_what_arms_cost_is_timed(tmp_path):
    cost = lab(tmp_path).cost(ARMS)
    assert cost.seconds > 0
    assert "timed" in cost.words
    assert lab(tmp_path).cost([ARMS[3]]).seconds == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pair": StudyPair("x", "nobody", "teacher")}, "no start 'nobody'"),
        ({"cap": 1.0}, "cap"),
        ({"batch": 10}, "multiple of 4"),
        ({"batch": 12, "settings": {"updates": 5}}, "equal parts"),
        ({"settings": {"update": 2}}, "update"),
        ({"method": "ppo-max"}, "no method"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_runs(tmp_path, change, said):
    with pytest.raises(UserError, match=said):
        lab(tmp_path).run([ARM, replace(ARM, **change)], tmp_path / "arms", quiet)
    assert not (tmp_path / "arms").exists()


@pytest.mark.parametrize("options", [{"items": 1}, {"item": 3}, {"width": 33}, {"ids": 2}, {"prompts": "many"}])
def test_options_that_do_not_fit_are_refused(tmp_path, options):
    with pytest.raises(UserError):
        lab(tmp_path, **options)


def test_a_device_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="no device"):
        LabRunner(OPTIONS, device="abacus")


def test_a_damaged_state_is_named(tmp_path):
    folder = tmp_path / "arms" / ARM.id
    folder.mkdir(parents=True)
    (folder / "state.safetensors").write_bytes(b"no tensors")
    with pytest.raises(UserError, match="cannot be read"):
        lab(tmp_path).run([ARM], tmp_path / "arms", quiet)


def test_the_log_is_a_line_a_step(tmp_path):
    lab(tmp_path, log_every=1).run(ARMS[:1], tmp_path / "arms", quiet)
    lines = [json.loads(line) for line in log_file(tmp_path / "arms" / ARM.id).read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
