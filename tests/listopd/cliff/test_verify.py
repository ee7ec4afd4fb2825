"""Each kind of prediction is hit where it is true, missed where it is false, and undecided where nobody can know."""

import math

import pytest

from listeval.errors import ExitCode, UserError
from listeval.stats.intervals import Interval
from listopd.cliff.lock import read_lock
from listopd.cliff.lock_study import lock_study
from listopd.cliff.sweep import sweep_arms
from listopd.cliff.verdict import ClaimVerdict, inside
from listopd.cliff.verify import exit_code, findings_text, verify_study
from listopd.threshold import lambda_star
from tests.listopd.cliff.toy import Toy, falls_at, stays

GRID = [1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3]
PART = {"pairs": ["flip"], "lams": GRID, "lrs": [5e-4], "seeds": [0, 1, 2, 3, 4], "budgets": [4]}
P = {"part": "P"}


@pytest.fixture
def judge(study, tmp_path):
    """Lock and sweep a study with one claim; gives its finding."""

    def call(claim, toy, parts=None, sweep=True, **changes):
        file = study(predictions=[{"id": "x", **claim}], parts=parts or {"P": PART}, **changes)
        out = tmp_path / "out"
        made = lock_study(file, toy, out)
        if sweep:
            sweep_arms(made, file.arms, toy, out)
        (found,) = verify_study(file, read_lock(file, out), out)
        assert found.id in findings_text([found])
        return found

    return call


MIDPOINT = {"kind": "midpoint", "of": P, "at": 1.15}


@pytest.mark.parametrize(
    ("claim", "curve", "verdict"),
    [
        (MIDPOINT, falls_at(1.15), "hit"),
        (MIDPOINT | {"at": "curve"}, falls_at(1.15), "hit"),
        (MIDPOINT, falls_at(1.27, 0.005), "missed"),
        # Between which neighbours it lies is all that the grid says: 1.20 to 1.25.
        (MIDPOINT, falls_at(1.225, 0.002), "not decidable"),
        (MIDPOINT, stays(0.97), "missed"),
        (MIDPOINT | {"at": 2.0}, stays(0.97), "hit"),
        (MIDPOINT | {"at": 2.0}, falls_at(1.15), "missed"),
        (MIDPOINT | {"at": 0.5}, falls_at(1.15), "not decidable"),
        (MIDPOINT | {"within": 0.001}, falls_at(1.15, 0.05), "not decidable"),
        (MIDPOINT | {"at": 2.0}, stays(0.1), "not decidable"),
        # The grid ends on the slope: the midpoint is further right than it looks.
        (MIDPOINT | {"at": 1.28}, falls_at(1.3, 0.04), "not decidable"),
        # No fall up to 1.3 says nothing of one at 1.34, which the window allows.
        (MIDPOINT | {"at": 1.29}, stays(0.97), "not decidable"),
        ({"kind": "failures", "of": P, "mostly": "truncated"}, falls_at(1.27, 0.03), "not decidable"),
        ({"kind": "flat", "of": P}, stays(0.97), "hit"),
        ({"kind": "flat", "of": P}, falls_at(1.15), "missed"),
        ({"kind": "flat", "of": P, "to": 1.1}, falls_at(1.25, 0.005), "hit"),
        ({"kind": "flat", "of": P}, stays(0.05), "not decidable"),
        ({"kind": "cliff", "of": P}, falls_at(1.15), "hit"),
        ({"kind": "cliff", "of": P}, stays(0.97), "missed"),
        ({"kind": "rate", "of": P, "lam": 1.3, "high": 0.2}, falls_at(1.15), "hit"),
        ({"kind": "rate", "of": P, "lam": 1.3, "low": 0.8}, falls_at(1.15), "missed"),
        ({"kind": "rate", "of": P, "lam": 1.15, "low": 0.5}, falls_at(1.15), "not decidable"),
        ({"kind": "rate", "of": P, "lam": 1.3, "at": "curve"}, falls_at(1.15), "hit"),
        ({"kind": "rate", "of": P, "lam": 1.3, "at": "curve"}, stays(0.97), "missed"),
        ({"kind": "failures", "of": P, "mostly": "fmc"}, falls_at(1.15), "hit"),
        ({"kind": "failures", "of": P, "mostly": "missing_id"}, falls_at(1.15), "hit"),
        ({"kind": "failures", "of": P, "mostly": "truncated"}, falls_at(1.15), "missed"),
        ({"kind": "failures", "of": P, "mostly": "fmc"}, stays(0.97), "not decidable"),
        ({"kind": "failures", "of": P, "mostly": "fmc", "lam": 1.3}, stays(1.0), "not decidable"),
    ],
)
def test_a_claim_is_judged_by_the_curve_that_is_there(judge, claim, curve, verdict):
    found = judge(claim, Toy(curve))
    assert found.verdict == verdict, found


def test_a_midpoint_whose_rule_sees_no_cliff_is_a_claim_of_none(judge):
    found = judge(MIDPOINT | {"at": "curve"}, Toy(stays(0.97), foretold=9.0))
    assert found.verdict is ClaimVerdict.HIT
    assert "none up to 1.3" in found.expected


def test_a_rate_that_no_curve_was_decoded_at_is_not_decidable(judge):
    found = judge({"kind": "rate", "of": P, "lam": 1.3, "at": "curve"}, Toy(falls_at(1.15)), curve=[1, 1.1])
    assert found.verdict is ClaimVerdict.UNDECIDED
    assert "abstained" in found.expected


@pytest.mark.parametrize(("rule", "number"), [("A", lambda_star(0.999, 0.9, 5)), ("B", lambda_star(0.99, 0.8, 5))])
def test_the_closed_forms_are_those_of_the_measured_positions_and_the_cap(judge, rule, number):
    grid = PART | {"lams": [1.0, 1.2, number - 0.05, number, number + 0.05, number + 0.1], "caps": [5]}
    found = judge(MIDPOINT | {"at": rule}, Toy(falls_at(number)), {"P": grid})
    assert (found.verdict, found.expected) == (ClaimVerdict.HIT, f"{number:.3f} ± 0.05")


def test_a_flip_is_that_of_the_class_that_flips_first(judge):
    flip = math.log(99) / (math.log(99) - math.log(7 / 3))
    grid = PART | {"lams": [1.0, 1.1, 1.2, 1.25, 1.3, 1.4]}
    found = judge(MIDPOINT | {"at": "flip"}, Toy(falls_at(flip)), {"P": grid})
    assert (found.verdict, found.expected) == (ClaimVerdict.HIT, f"{flip:.3f} ± 0.05")


@pytest.mark.parametrize(
    ("moves", "to", "verdict"),
    [
        ("left", 1.10, "hit"), ("left", 1.25, "missed"), ("left", 1.2, "not decidable"), ("right", 1.25, "hit"),
        ("right", 1.10, "missed"), ("not", 1.2, "hit"), ("not", 1.09, "missed"),
    ],
)  # fmt: skip
def test_a_shift_is_judged_on_the_same_prompts(judge, moves, to, verdict):
    claim = {"kind": "shift", "of": {"part": "Q"}, "than": P, "moves": moves, "within": 0.03}
    toy = Toy({"P": falls_at(1.2, 0.01), "Q": falls_at(to, 0.01)})
    assert judge(claim, toy, {"P": PART, "Q": PART}).verdict == verdict


@pytest.mark.parametrize("moves", ["left", "right", "not"])
@pytest.mark.parametrize(("first", "second"), [(falls_at(1.15), falls_at(1.27, 0.03)), (falls_at(1.27, 0.03),) * 2])
def test_a_midpoint_beyond_the_grid_has_not_moved_anywhere(judge, moves, first, second):
    claim = {"kind": "shift", "of": {"part": "Q"}, "than": P, "moves": moves, "within": 0.05}
    found = judge(claim, Toy({"P": first, "Q": second}), {"P": PART, "Q": PART})
    assert found.verdict is ClaimVerdict.UNDECIDED
    assert "the grid ends on the slope" in found.observed


def test_a_midpoint_beyond_the_grid_fits_no_drift(judge):
    grid = PART | {"budgets": [3, 5, 8]}
    at = {3: falls_at(1.27, 0.03), 5: falls_at(1.15, 0.01), 8: falls_at(1.1, 0.01)}
    claim = {"kind": "drift", "of": P, "fit": [3, 5], "star": 1.05, "within": 0.05}
    found = judge(claim, Toy(lambda arm, steps: at[steps](arm, steps)), {"P": grid})
    assert found.verdict is ClaimVerdict.UNDECIDED
    assert "the grid ends on the slope" in found.observed


def test_what_two_budgets_foretell_of_a_third_is_judged(judge):
    star, kappa = 1.05, 0.4
    curve = lambda arm, steps: falls_at(star / -math.expm1(-kappa * steps), 0.01)(arm, steps)  # noqa: E731
    grid = PART | {"lams": [1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.35, 1.4, 1.5, 1.6], "budgets": [3, 5, 8]}
    claim = {"kind": "drift", "of": P, "fit": [3, 5], "star": star, "within": 0.05}
    assert judge(claim, Toy(curve), {"P": grid}).verdict is ClaimVerdict.HIT


@pytest.mark.parametrize(("kappa", "verdict"), [(0.4, "hit"), (0.25, "missed")])
def test_what_one_cap_shows_foretells_another(judge, kappa, verdict):
    grid = PART | {"lams": [1.0, *(1.1 + 0.05 * step for step in range(30))], "budgets": [3, 5]}
    stars = {cap: lambda_star(0.99, 0.8, cap) for cap in (5, 2)}

    def curve(arm, steps):
        rate = 0.4 if arm.cap == 5 else kappa
        return falls_at(stars[arm.cap] / -math.expm1(-rate * steps), 0.01)(arm, steps)

    claim = {"kind": "drift", "of": {**P, "cap": 2, "budget": 3}, "than": {**P, "cap": 5}, "fit": [3, 5]}
    found = judge(claim | {"within": 0.1}, Toy(curve), {"P": grid | {"caps": [5, 2]}})
    assert found.verdict == verdict
    assert float(found.expected.split()[0]) == pytest.approx(stars[2] / -math.expm1(-1.2), abs=0.02)


def test_a_budget_that_moves_the_other_way_is_missed(judge):
    at = {3: 1.2, 5: 1.15, 8: 1.45}
    grid = PART | {"lams": [1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.35, 1.4, 1.5, 1.6], "budgets": [3, 5, 8]}
    claim = {"kind": "drift", "of": P, "fit": [3, 5], "star": 1.05, "within": 0.05}
    toy = Toy(lambda arm, steps: falls_at(at[steps], 0.01)(arm, steps))
    assert judge(claim, toy, {"P": grid}).verdict is ClaimVerdict.MISSED


def test_saturation_is_the_share_of_seeds_outside_the_clip_safe_region(judge):
    def theta(arm, step):
        return 0.9985 if arm.lam > 1.12 + 0.02 * arm.seed else 0.99

    claim = {"kind": "midpoint", "of": P, "at": 1.17, "good": "safe", "token": "sep 4", "within": 0.2}
    found = judge(claim, Toy(stays(0.97), theta=theta), {"P": PART | {"caps": [5], "seeds": list(range(8))}})
    assert found.verdict is ClaimVerdict.HIT
    assert 1.1 < found.value.value < 1.3


def test_without_a_cap_nothing_is_unsafe(judge):
    claim = {"kind": "flat", "of": P, "good": "safe", "token": "sep 4"}
    toy = Toy(stays(0.97), theta=lambda arm, step: 0.999999)
    assert judge(claim, toy, {"P": PART | {"seeds": list(range(20))}}).verdict is ClaimVerdict.HIT


def test_a_class_that_no_arm_logged_decides_nothing_and_takes_no_other_verdict_with_it(study, tmp_path):
    safe = {"id": "safe", "kind": "flat", "of": P, "good": "safe", "token": "sep 4"}
    file, out, toy = (
        study(predictions=[safe, {"id": "flat", "kind": "flat", "of": P}]),
        tmp_path / "out",
        Toy(stays(0.97)),
    )
    sweep_arms(lock_study(file, toy, out), file.arms, toy, out)
    found = verify_study(file, read_lock(file, out), out)
    assert [one.verdict for one in found] == [ClaimVerdict.UNDECIDED, ClaimVerdict.HIT]
    assert "logged the student's probability of 'sep 4'" in found[0].observed


def test_a_class_that_the_pair_does_not_have_is_refused_when_the_study_is_locked(judge):
    with pytest.raises(UserError, match="no token class is called 'sep 99'"):
        judge({"kind": "flat", "of": P, "good": "safe", "token": "sep 99"}, Toy(stays(0.97)))


@pytest.mark.parametrize(("within", "verdict"), [(0.01, "hit"), (1e-9, "missed")])
def test_the_tabular_bernoulli_needs_no_arms(judge, within, verdict):
    claim = {"kind": "tabular", "cases": [[0.99, 0.8, 5], [0.999, 0.9, 2]], "within": within}
    assert judge(claim, Toy(stays(1.0)), sweep=False).verdict == verdict


def test_arms_that_have_not_run_decide_nothing(judge):
    found = judge(MIDPOINT, Toy(falls_at(1.15)), sweep=False)
    assert (found.verdict, found.observed) == (ClaimVerdict.UNDECIDED, "35 of 35 arms are not finished")


def test_a_miss_is_exit_4_and_a_rival_s_is_none(judge):
    missed = judge(MIDPOINT, Toy(stays(0.97)))
    assert exit_code([missed]) is ExitCode.PREDICTION_MISSED
    assert exit_code([missed._replace(rival=True)]) is ExitCode.OK
    assert exit_code([missed._replace(verdict=ClaimVerdict.UNDECIDED)]) is ExitCode.OK


def test_an_engine_s_failures_are_nobody_s(judge):
    """Here every answer that is not parsed is the engine's failure, so nothing is known to have fallen."""
    found = judge({"kind": "cliff", "of": P}, Toy(falls_at(1.15, low=0.1), fails="engine_error"))
    assert found.verdict is not ClaimVerdict.HIT


@pytest.mark.parametrize(
    ("limits", "verdict"),
    [((0.2, 0.3), "hit"), ((0.0, 0.05), "missed"), ((0.0, 0.2), "not decidable"), ((math.nan, 1), "not decidable")],
)
def test_a_window_takes_an_interval_whole_or_not_at_all(limits, verdict):
    assert inside(Interval(0.2, *limits), 0.1, 0.4) == verdict
