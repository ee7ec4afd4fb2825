"""A study file: what it expands to, and what it may not say."""

import math
from pathlib import Path

import pytest
import yaml

from listeval.errors import UserError
from listopd.cliff.arms import ExpectedCost
from listopd.cliff.claim_series import claims_with_series
from listopd.cliff.lock_study import lock_study
from listopd.cliff.series import series_of
from listopd.cliff.study import StudyFile, study_path
from listopd.cliff.study_plan import plan_of, plan_text
from listopd.cliff.sweep import sweep_arms
from tests.listopd.cliff.toy import Toy

PART = {"pairs": ["flip"], "lams": [1.0, 1.5, 2.0], "lrs": [1e-3], "seeds": [0, 1], "budgets": [2, 6]}


def test_a_part_is_every_combination_of_its_lists(study):
    arms = study(parts={"T": PART | {"caps": [math.inf, 5, 2], "lrs": [1e-3, 2e-3]}}, predictions=[]).arms
    assert len({arm.id for arm in arms}) == len(arms) == 3 * 3 * 2 * 2
    assert {arm.steps for arm in arms} == {6}


def test_what_cannot_act_on_a_method_makes_no_arms_of_its_own(study):
    methods = ["exact", "opd", "fixed-negative", "start"]
    arms = study(parts={"T": PART | {"methods": methods, "caps": [math.inf, 5]}}, predictions=[]).arms
    count = {method: [arm for arm in arms if arm.method == method] for method in methods}
    assert {method: len(found) for method, found in count.items()} == {
        "exact": 6, "opd": 2, "fixed-negative": 2, "start": 1,
    }  # fmt: skip
    assert {arm.lam for method in methods[1:] for arm in count[method]} == {1.0}
    assert count["start"][0].budgets == (0,)


def test_each_budget_is_a_series_of_its_own(study):
    series = series_of(study(parts={"T": PART}, predictions=[]).arms)
    assert [one.budget for one in series] == [2, 6]
    assert {(one.lams, one.seeds) for one in series} == {((1.0, 1.5, 2.0), (0, 1))}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"parts": {"T": PART | {"pairs": ["flop"]}}}, "flop"),
        ({"parts": {"T": PART | {"budgets": [6, 2]}}}, "budgets"),
        ({"parts": {"T": PART | {"lams": [1.0, math.inf]}}}, "lams"),
        ({"parts": {"T": PART | {"caps": [1.0]}}}, "caps"),
        ({"parts": {"T": PART | {"seeds": [12345678901234567]}}}, "seeds"),
        ({"parts": {"T": PART | {"lambdas": [1.0]}}}, "unknown key 'parts.T.lambdas'"),
        ({"runner": {"kind": "cloud"}}, "runner"),
        ({"name": "../out"}, "name"),
        ({"predictions": [{"id": "x", "kind": "flat", "of": {"part": "P"}, "good": "safe"}]}, "token class"),
        ({"predictions": [{"id": "x", "kind": "flat", "of": {"part": "P"}}] * 2}, "two predictions"),
    ],
)
def test_what_does_not_fit_is_one_line_that_names_it(study, changes, said):
    with pytest.raises(UserError, match=said) as error:
        study(**changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["[1, 2", "just words", "\0", "{}"])
def test_a_file_that_is_no_study_is_one_line(tmp_path, text):
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        StudyFile(tmp_path / "study.yaml")
    assert "\n" not in str(error.value)


def claims(*values):
    return [{"id": f"c{at}", **value} for at, value in enumerate(values)]


def test_a_claim_must_mean_one_series(study):
    parts = {"T": PART | {"caps": [5, 2]}}
    vague = study(parts=parts, predictions=claims({"kind": "cliff", "of": {"part": "T"}}))
    with pytest.raises(UserError, match="several series") as error:
        claims_with_series(vague)
    assert "cap" in error.value.fix
    sharp = study(parts=parts, predictions=claims({"kind": "cliff", "of": {"part": "T", "cap": 2, "budget": 2}}))
    assert [(one.series.cap, one.series.budget) for one in claims_with_series(sharp)] == [(2, 2)]
    absent = study(parts=parts, predictions=claims({"kind": "cliff", "of": {"part": "T", "cap": 3}}))
    with pytest.raises(UserError, match="no series"):
        claims_with_series(absent)


def test_a_claim_about_a_lambda_that_no_arm_has_is_refused(study):
    claim = {"kind": "rate", "of": {"part": "P"}, "lam": 1.17, "low": 0.9}
    with pytest.raises(UserError, match=r"λ = 1\.17"):
        claims_with_series(study(predictions=claims(claim)))


RECIPES = {"kind": "recipes", "recipe": "listopd"}
SAFE = {"kind": "cliff", "of": {"part": "P"}, "good": "safe", "token": "sep 4"}


@pytest.mark.parametrize(
    ("claim", "changes", "said"),
    [
        ({"kind": "flat", "of": {"part": "P"}, "to": 9}, {}, "no arm has λ = 9"),
        ({"kind": "flat", "of": {"part": "P"}, "to": 1.0}, {}, "no arm has λ = 1"),
        ({"kind": "failures", "of": {"part": "P"}, "mostly": "fcm"}, {}, "no failure is called 'fcm'"),
        ({"kind": "failures", "of": {"part": "P"}, "mostly": "ok"}, {}, "no failure is called 'ok'"),
        (SAFE, {"runner": RECIPES}, "only the laboratory"),
        (
            SAFE | {"kind": "shift", "than": {"part": "Q"}, "moves": "not"},
            {"parts": {"P": PART, "Q": PART | {"seeds": [0]}}},
            "seeds are paired",
        ),
    ],
)
def test_a_claim_that_no_arm_could_decide_is_refused_before_any_is_trained(study, claim, changes, said):
    with pytest.raises(UserError, match=said) as error:
        claims_with_series(study(predictions=claims(claim), **changes))
    assert "prediction 'c0'" in error.value.place


@pytest.mark.parametrize("limits", [{}, {"within": 0.1}, {"at": "curve", "low": 0.5}, {"low": 0.9, "high": 0.1}])
def test_a_rate_is_claimed_by_two_limits_or_by_the_curve(study, limits):
    with pytest.raises(UserError, match="low"):
        study(predictions=[{"id": "x", "kind": "rate", "of": {"part": "P"}, "lam": 1.1, **limits}])


def test_a_plan_counts_arms_and_steps_and_says_the_claims(study, tmp_path):
    file = study()
    found = plan_of(file, Toy(lambda arm, steps: 1.0), tmp_path / "out")
    assert found["parts"] == {"P": {"arms": 35, "steps": 140, "left": 35}}
    assert found["cost"]["seconds"] == 140
    assert "where" in plan_text(found)
    assert not (tmp_path / "out").exists()


def test_where_the_runner_cannot_know_the_cost_is_that_of_the_arms_that_have_run(study, tmp_path, monkeypatch):
    file, toy, out = study(), Toy(lambda arm, steps: 1.0, stop_after=20, seconds=3.0), tmp_path / "out"
    monkeypatch.setattr(toy, "cost", lambda arms: ExpectedCost(math.nan, "who knows"))
    made = lock_study(file, toy, out)
    assert plan_of(file, toy, out)["cost"] == {"seconds": None, "words": "who knows"}
    with pytest.raises(KeyboardInterrupt):
        sweep_arms(made, file.arms, toy, out)
    assert plan_of(file, toy, out)["cost"]["seconds"] == pytest.approx(3.0 * 120)


def test_the_file_s_bytes_are_its_identity(study):
    one, other = study("a.yaml"), study("b.yaml", about="another word")
    assert one.sha256 != other.sha256
    assert yaml.safe_load(one.content)["name"] == "small"


def test_a_study_that_ships_is_found_by_its_name_unless_a_file_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert StudyFile(study_path("shipped")).study.name == "cliff-shipped"
    (tmp_path / "shipped").write_text("own")
    assert study_path("shipped") == Path("shipped")
    assert study_path("elsewhere/shipped.yaml") == Path("elsewhere/shipped.yaml")


def test_the_home_of_a_user_that_there_is_not_is_no_study():
    with pytest.raises(UserError, match="no such study"):
        StudyFile(study_path("~nosuchuser/study.yaml"))
