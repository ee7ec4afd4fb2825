"""The verdict: each precondition fails alone, is named, and the worst failure decides."""

from dataclasses import replace

import numpy as np
import pytest

from listeval.errors import UserError
from listeval.stats.intervals import Interval, rate_interval
from listopd.threshold import (
    Cap,
    Condition,
    Evidence,
    Positions,
    PreconditionLimits,
    PreconditionOutcome,
    base_neutral,
    class_shares,
    judge,
)


def scaffold(p=0.999, b=0.7, others=0.99):
    """Forty prompts with the binding class and two others."""
    kinds = ["close", "quote", "key"]
    return Positions.of([n for n in range(40) for _ in kinds], [p] * 120, [b, others, others] * 40, kinds * 40)


FEW = np.arange(120) < 6
"""Two of the forty prompts."""


def half(p, other):
    """Prompts of which every second has half of its positions below the filter."""
    return Positions.of([n for n in range(40) for _ in "ab"], [p, p, p, other] * 20, [0.5] * 80, ["a", "b"] * 40)


def mixed(ours, theirs):
    """Prompts in `ours` of which one class binds, another one in `theirs`: the share straddles one half."""
    n = ours + theirs
    return Positions.of([*range(n)] * 2, [0.999] * 2 * n, [0.5] * ours + [0.99] * n + [0.5] * theirs,
                        ["close"] * n + ["quote"] * n)  # fmt: skip


def noisy():
    """Teacher and base differ by so little that λ* is anybody's guess."""
    b = np.where(np.arange(22) % 4, 0.9996, 0.9985)
    return Positions.of(range(22), [0.9995] * 22, b, ["close"] * 22)


GOOD = Evidence(scaffold(), Cap.TEACHER_RATIO, True, parsed=71, total=212, steps=200, kappa=0.05)


@pytest.mark.parametrize("times", [2, 4])
def test_prompts_and_answers_that_are_copies_are_no_evidence(times):
    """Ten examples under four seeds are ten, for the scaffold as for the parse rate."""
    n = 40 // times
    once = scaffold()
    positions = Positions.of(once.prompt, once.p, once.b, once.kind.tolist(), unit=once.prompt % n)
    found = judge(replace(GOOD, positions=positions))
    if n < 20:
        assert found.failed is Condition.EVIDENCE
        assert found.sentence.startswith(f"abstains: enough evidence: 40 prompts, {n} of them independent, have")
    assert found.measured.units == n
    few = judge(replace(GOOD, independent=212 // 8, rate=rate_interval([1] * 71 + [0] * 141, np.arange(212) // 8)))
    assert few.failed is Condition.EVIDENCE
    assert "212 answers of the warm start, 26 of them independent, were read (at least 30)" in few.sentence


def test_the_interval_of_the_parse_rate_is_the_one_that_is_given():
    wide = judge(replace(GOOD, parsed=180, total=212, rate=Interval(180 / 212, 0.6, 0.95)))
    assert wide.failed is Condition.HEADROOM and "60.0% to 95.0%" in wide.sentence


def test_all_five_hold():
    found = judge(GOOD)
    assert found.outcome is PreconditionOutcome.PREDICTS
    assert found.failed is None
    assert [check.condition for check in found.checks] == list(Condition)
    assert all(check.held for check in found.checks)
    assert found.sentence.startswith("predicts: all five preconditions hold; 40 prompts have scaffold")


@pytest.mark.parametrize(
    ("change", "condition", "outcome"),
    [
        ({"positions": scaffold(p=0.8, b=0.5)}, Condition.EVIDENCE, PreconditionOutcome.ABSTAINS),
        ({"positions": half(0.91, 0.85)}, Condition.NEAR_DETERMINISTIC, PreconditionOutcome.ABSTAINS),
        ({"positions": scaffold(b=0.9, others=0.9).keep(FEW)}, Condition.EVIDENCE, PreconditionOutcome.ABSTAINS),
        ({"parsed": 1, "total": 3}, Condition.EVIDENCE, PreconditionOutcome.ABSTAINS),
        ({"positions": mixed(25, 24)}, Condition.BINDING_CLASS, PreconditionOutcome.ABSTAINS),
        ({"positions": noisy()}, Condition.EVIDENCE, PreconditionOutcome.ABSTAINS),
        ({"positions": scaffold(b=0.9, others=0.9)}, Condition.BINDING_CLASS, PreconditionOutcome.SHIFTS),
        ({"positions": scaffold(b=0.9995, others=0.9995)}, Condition.BINDING_CLASS, PreconditionOutcome.ABSTAINS),
        ({"positions": scaffold(b=0.998, others=0.9999)}, Condition.BINDING_CLASS, PreconditionOutcome.ABSTAINS),
        ({"parsed": 185}, Condition.HEADROOM, PreconditionOutcome.ABSTAINS),
        ({"parsed": 205}, Condition.HEADROOM, PreconditionOutcome.ABSTAINS),
        ({"parsed": 2}, Condition.HEADROOM, PreconditionOutcome.ABSTAINS),
        ({"parsed": None, "total": None}, Condition.HEADROOM, PreconditionOutcome.ABSTAINS),
        ({"parsed": 0, "total": 0}, Condition.HEADROOM, PreconditionOutcome.ABSTAINS),
        ({"cap": Cap.NONE}, Condition.OBJECTIVE, PreconditionOutcome.ABSTAINS),
        ({"cap": Cap.ROLLOUT}, Condition.OBJECTIVE, PreconditionOutcome.SHIFTS),
        ({"base_relative": False}, Condition.OBJECTIVE, PreconditionOutcome.SHIFTS),
        ({"cap": Cap.NONE, "base_relative": False}, Condition.OBJECTIVE, PreconditionOutcome.ABSTAINS),
        ({"steps": 14}, Condition.BUDGET, PreconditionOutcome.SHIFTS),
        ({"kappa": None}, Condition.BUDGET, PreconditionOutcome.SHIFTS),
    ],
)
def test_each_condition_fails_alone_and_is_named(change, condition, outcome):
    found = judge(replace(GOOD, **change))
    failed = [check for check in found.checks if not check.held]
    assert failed[0].condition is condition
    if "positions" not in change:
        assert len(failed) == 1
    assert (found.outcome, found.failed) == (outcome, condition)
    assert found.sentence.startswith(f"{outcome}: {condition}: ")


@pytest.mark.parametrize("b", [0.7, 0.99, 0.9995])
def test_without_a_base_the_threshold_is_the_one_that_the_verdict_names(b):
    """Whatever was measured of the start, which is no part of the objective."""
    found = judge(replace(GOOD, positions=scaffold(b=b, others=b), base_relative=False))
    assert found.measured.star.value == base_neutral(found.measured.p.value, 5.0)
    assert tuple(found.measured.b) == (0.5, 0.5, 0.5)
    objective = next(check for check in found.checks if check.condition is Condition.OBJECTIVE)
    assert "base-neutral λ* (b = 1/2)" in objective.detail and "λ* is infinite" not in found.sentence


def test_the_worst_failure_is_the_one_named():
    found = judge(replace(GOOD, cap=Cap.ROLLOUT, parsed=212, steps=14))
    assert (found.outcome, found.failed) == (PreconditionOutcome.ABSTAINS, Condition.HEADROOM)
    assert [check.condition for check in found.checks if not check.held] == [
        Condition.HEADROOM,
        Condition.OBJECTIVE,
        Condition.BUDGET,
    ]


def test_no_positions_at_all_abstains():
    found = judge(replace(GOOD, positions=Positions.of([], [], [])))
    assert (found.outcome, found.failed) == (PreconditionOutcome.ABSTAINS, Condition.EVIDENCE)


def test_the_words_carry_the_measurement():
    details = {check.condition: check.detail for check in judge(replace(GOOD, steps=14)).checks}
    assert "100.0% of 120 structural positions" in details[Condition.NEAR_DETERMINISTIC]
    assert "'close' holds 95.2% of the log-ratio" in details[Condition.BINDING_CLASS]
    assert "71 of 212 (95 % interval 27.5% to 40.1%" in details[Condition.HEADROOM]
    assert "after 14 steps the cliff is 98.6% above λ*" in details[Condition.BUDGET]


def test_shares_count_only_where_the_teacher_is_above_the_base():
    found = class_shares(Positions.of([0, 0, 0], [0.99] * 3, [0.5, 0.9, 0.999], ["a", "b", "c"]))
    assert list(found) == ["a", "b", "c"]
    assert sum(found.values()) == pytest.approx(1)
    assert found["c"] == 0
    assert class_shares(Positions.of([0], [0.9], [0.95])) == {}


def test_the_intervals_are_at_hand():
    found = judge(replace(GOOD, positions=mixed(40, 20))).measured
    assert found.prompts == 60 and found.binding == "close"
    assert found.share.value == pytest.approx(2 / 3, abs=0.02)
    assert found.share.low < found.share.value < found.share.high
    assert found.p.low == pytest.approx(0.999) and 0.5 < found.b.value < 0.999
    assert found.star.low <= found.star.value <= found.star.high
    assert "interval [" in judge(GOOD).checks[2].detail


def test_bounds_are_choices():
    assert judge(GOOD, PreconditionLimits(prompts=41)).failed is Condition.EVIDENCE
    assert judge(GOOD, PreconditionLimits(answers=213)).failed is Condition.EVIDENCE
    assert judge(GOOD, PreconditionLimits(dominance=0.99)).failed is Condition.BINDING_CLASS
    assert judge(GOOD, PreconditionLimits(highest=0.3)).failed is Condition.HEADROOM
    assert judge(replace(GOOD, steps=14), PreconditionLimits(slack=2.0)).outcome is PreconditionOutcome.PREDICTS


def test_impossible_evidence_and_bounds_are_refused():
    with pytest.raises(UserError, match="213 of 212 answers parse"):
        replace(GOOD, parsed=213)
    with pytest.raises(UserError, match="go together"):
        replace(GOOD, parsed=None)
    with pytest.raises(UserError, match="'share' must be between 0 and 1"):
        PreconditionLimits(share=90)
    with pytest.raises(UserError, match="'lowest' < 'highest'"):
        PreconditionLimits(lowest=0.9, highest=0.1)
    with pytest.raises(UserError, match="κ must be a positive number"):
        judge(replace(GOOD, kappa=-1.0))
