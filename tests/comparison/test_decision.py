"""The rule on numbers: what each standing needs, and that harm always outranks gain."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.comparison.contrasts import QualityScale, ResamplingSettings, guards
from listeval.comparison.decision import ArmEvidence, Standing, decide
from listeval.comparison.thresholds import Thresholds

GOOD = {
    "useful": 0.3, "useful_low": 0.2, "useful_high": 0.4, "useful_p": 0.001, "loss_low": -0.02, "quality_high": 0.02,
    "short_low": -0.4, "above_low": 0.2,
}  # fmt: skip


def standing(**changes):
    values = {name: np.array([value]) for name, value in {**GOOD, **changes}.items()}
    return decide(ArmEvidence(**values), Thresholds(), 0.1)[0]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Standing.BETTER),
        ({"useful_p": 0.06}, Standing.NOT_SHOWN),
        ({"useful_low": -0.01}, Standing.NOT_SHOWN),
        ({"useful_p": math.nan}, Standing.NOT_SHOWN),
        ({"useful": -0.3, "useful_low": -0.4, "useful_high": -0.2, "useful_p": 0.5}, Standing.WORSE),
        ({"useful": -0.3, "useful_low": -0.6, "useful_high": 0.0, "useful_p": 0.01}, Standing.WORSE),
        ({"above_low": 0.0}, Standing.AT_CHANCE),
        ({"above_low": math.nan}, Standing.AT_CHANCE),
        ({"above_low": math.inf}, Standing.BETTER),
        ({"loss_low": -0.11}, Standing.UNKNOWN),
        ({"loss_low": math.nan, "quality_high": math.nan}, Standing.UNKNOWN),
        ({"loss_low": math.nan, "quality_high": math.nan, "short_low": -0.05}, Standing.BETTER),
        ({"loss_low": -0.3, "quality_high": -0.01}, Standing.TRADES),
        ({"loss_low": -0.09, "quality_high": -0.01}, Standing.BETTER),
    ],
)
def test_the_first_rule_that_holds_decides(changes, expected):
    assert standing(**changes) is expected


anything = st.one_of(st.floats(-1, 1), st.just(math.nan))


@given(st.fixed_dictionaries(dict.fromkeys(GOOD, anything)))
def test_better_needs_all_of_it(values):
    """Whatever the numbers, what is recommended is shown higher, keeps its quality and beats chance."""
    if standing(**values) is Standing.BETTER:
        assert values["useful_low"] > 0 and values["useful_p"] <= 0.05 and not values["useful_high"] < 0
        assert values["above_low"] > 0
        assert max(v for v in (values["loss_low"], values["short_low"]) if not math.isnan(v)) >= -0.1


@given(st.lists(st.sampled_from([{}, {"useful_p": 0.9}, {"above_low": -1.0}, {"loss_low": -1.0}]), max_size=6))
def test_many_arms_at_once_are_each_alone(arms):
    table = {name: np.array([{**GOOD, **arm}[name] for arm in arms]) for name in GOOD}
    assert list(decide(ArmEvidence(**table), Thresholds(), 0.1)) == [standing(**arm) for arm in arms]


def guard(base, arm, parsed=None, chance=0.5, margin=0.1, clusters=None):
    """The guard of an arm whose quality and the baseline's are given sample by sample."""
    base, arm = np.asarray(base, dtype=float), np.asarray(arm, dtype=float)
    labels = [str(at) for at in range(len(base))] if clusters is None else clusters
    own, other = (
        {"parse_rate": (~np.isnan(q)).astype(float), "q": q} for q in (base if parsed is None else base[parsed], arm)
    )
    luck = None if chance is None else np.full(len(base), chance)
    scale = QualityScale("q", (0.0, 1.0), luck)
    return guards({0: (own, other)}, scale, labels, margin=margin, draws=ResamplingSettings(2_000), level=0.95)[0]


def test_answers_that_agree_leave_a_share_of_unseen_ones():
    found = [guard(np.ones(n), np.ones(n)).quality.low for n in (6, 20, 60, 200)]
    assert found == sorted(found)
    assert found[0] < -0.15 and -0.1 < found[1] < -0.07 and found[3] > -0.02
    worse = guard(np.ones(20), np.ones(20), chance=None).quality.low
    assert worse < found[1], "where nothing is ranked an unseen answer may be worth nothing"


def test_a_rare_fall_that_was_seen_makes_room_for_more():
    rng = np.random.default_rng(0)
    base = rng.uniform(0.9, 1, 60)
    fallen = base.copy()
    fallen[7] = 0.0
    seen, unseen = guard(base, fallen), guard(base, base)
    assert seen.quality.low < unseen.quality.low - 0.05
    assert seen.quality.value == pytest.approx(-base[7] / 60)


def test_an_arm_whose_own_answers_reverse_is_trusted_less():
    """Its common answers agree, but one in five of its others is worth nothing."""
    base = np.full(100, math.nan)
    base[:18] = 1.0
    own = np.ones(100)
    trusted = guard(base, own).quality.low
    own[20::5] = 0.0
    assert guard(base, own).quality.low < trusted - 0.05


def test_without_a_common_answer_nothing_is_known_of_a_loss():
    base = np.full(30, math.nan)
    found = guard(base, np.linspace(0.4, 1, 30))
    assert (found.common, found.clusters, found.enough) == (0, 0, 0)
    assert math.isnan(found.quality.low)
    assert found.own.low > 0.5
    alone = guard(np.ones(1), np.ones(1))
    assert math.isnan(alone.quality.low) and math.isnan(alone.above.low)


def test_enough_is_enough():
    """At the number of clusters that is named, a loss of nothing keeps within the margin most of the time."""
    rng = np.random.default_rng(1)
    few = guard(*(0.5 + 0.4 * rng.uniform(-1, 1, (2, 30))))
    kept = [guard(*(0.5 + 0.4 * rng.uniform(-1, 1, (2, few.enough)))).quality.low >= -0.1 for _ in range(60)]
    assert few.enough > 30
    assert 0.65 <= np.mean(kept) <= 0.95


def test_a_constant_is_worth_chance_and_not_above_it():
    rng = np.random.default_rng(2)
    found = guard(rng.uniform(0, 1, 80), np.full(80, 0.5))
    assert found.above.value == 0 and found.above.low < 0 < found.above.high
