"""The one sentence: a cliff, none, or not decided, and each only on evidence."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listeval.stats.intervals import Interval
from listopd.curve.advice import advise, decided, limit_of
from listopd.curve.breaks import Break, Mechanism
from listopd.curve.curve_result import CurveThreshold, SelfTest
from listopd.estimates import GATE, Outcomes, cliff
from listopd.tokens import TokenClass

LAMS = (1.0, 1.1, 1.2, 1.3, 1.5, 2.0)
HELD = SelfTest(100, 100, 100, (30, 30), (98, 98))
FLIP = Break(
    1.3, 60, 100, {"missing_id": 58, "unknown_id": 2}, {Mechanism.FLIP: 60}, {(TokenClass.NEXT_ITEM, 7): 58}, 1.22
)
NEVER = Interval(math.inf, math.inf, math.inf)


def curve(*rates, prompts=200):
    good = np.arange(prompts)[None, :] < np.round(np.array(rates) * prompts)[:, None]
    return cliff(Outcomes(LAMS[: len(rates)], good[None]), draws=300)


def said(found, breaks=FLIP, stars=(), held=HELD, capped=True):
    thresholds = [CurveThreshold("gold", NEVER, Interval(star, star, star), math.inf, None, 0) for star in stars]
    return advise(found, held, breaks, thresholds, capped=capped)


def test_a_cliff_names_its_midpoint_its_step_and_its_kind():
    found = curve(0.98, 0.97, 0.8, 0.3, 0.02, 0.01)
    text = said(found)
    assert f"λ may go to {limit_of(found):.2f}" in text and f"halfway at λ = {found.midpoint.value:.3f}" in text
    assert "a mode flip at '} to ,' of item 7 (λ_flip 1.220)" in text
    assert "FMC, one id missing (58 of 60 broken answers at λ = 1.3)" in text
    assert limit_of(found) <= found.onset.value < found.midpoint.value


def test_without_a_cliff_lambda_may_go_to_the_end_of_the_grid():
    found = curve(0.98, 0.98, 0.97, 0.96, 0.96, 0.95)
    assert said(found).startswith("No cliff up to λ = 2: the untrained target still parses 95 %")
    assert limit_of(found) == 2.0
    assert said(found, breaks=None).endswith("so λ may go as far.")
    worse = curve(0.98, 0.98, 0.97, 0.9, 0.85, 0.8)
    assert "but loses more than 10 % beyond λ = 1.3" in said(worse) and limit_of(worse) == 1.3


@pytest.mark.parametrize(
    ("stars", "capped", "warned"),
    [((1.4,), True, True), ((1.4,), False, False), ((3.0,), True, False), ((), True, False)],
)
def test_saturation_is_named_where_it_comes_first_and_only_of_a_capped_training(stars, capped, warned):
    text = said(curve(0.98, 0.98, 0.97, 0.96, 0.96, 0.95), stars=stars, capped=capped)
    assert ("λ*(B) = 1.400" in text) == warned


def test_few_prompts_decide_nothing():
    text = said(curve(1, 1, 1, 1, 0.75, 0.75, prompts=8))
    assert text.startswith("The curve does not decide: over 8 prompts") and "--limit" in text


@pytest.mark.parametrize("prompts", [2, 3, 5, 8])
@pytest.mark.parametrize("last", [1, 0.75])
def test_so_few_prompts_call_no_lambda_safe_however_well_they_parse(prompts, last):
    """All of three prompts may parse where a third of all do not."""
    found = curve(1, 1, 1, 1, 1, last, prompts=prompts)
    assert not decided(found) and limit_of(found) == 1.0
    assert "safe" not in said(found) and said(found).endswith("No λ above 1 is shown to lose less.")


def test_what_is_shown_before_the_undecided_end_may_be_used():
    found = curve(0.98, 0.98, 0.97, 0.97, 0.9, 0.68)
    assert not decided(found) and limit_of(found) == 1.5
    assert said(found).endswith("Up to λ = 1.5 less is lost.")
    one = cliff(Outcomes(LAMS, np.ones((1, 6, 1))), draws=300)
    assert math.isnan(one.drop.high) and limit_of(one) == 1.0, "of one prompt nothing is known"


def test_a_teacher_that_does_not_parse_leaves_no_room_for_a_cliff():
    text = said(curve(0.2, 0.2, 0.1, 0.05, 0.05, 0.05))
    assert text.startswith("The curve does not decide: the teacher parses 20 %")
    assert text.endswith("a better teacher leaves one.") and "prompts" not in text
    few = said(cliff(Outcomes(LAMS, np.ones((1, 6, 1))), draws=300))
    assert few.endswith("more prompts may show one (--limit)."), "a good teacher, of which little is known"


def test_a_self_test_that_fails_is_all_that_is_said():
    failed = SelfTest(100, 60, 100, (30, 70), (98, 98))
    assert not failed.held and HELD.held
    assert said(curve(0.98, 0.97, 0.8, 0.3, 0.02, 0.01), held=failed).startswith("The curve is not to be trusted")
    assert SelfTest(100, 98, 100, (30, 32), (98, 98)).held, "rounding may turn a few answers"


def test_a_grid_that_ends_on_the_slope_says_that_the_midpoint_lies_beyond():
    assert "or beyond" in said(curve(0.98, 0.97, 0.9, 0.7, 0.4, 0.2))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=6, max_size=6), st.sampled_from([4, 40, 200]))
def test_what_is_said_rests_on_the_evidence(rates, prompts):
    found = curve(*rates, prompts=prompts)
    text = said(found)
    assert found.lams[0] <= limit_of(found) <= found.lams[-1]
    assert text.startswith("λ may go to") == (found.drop.low > GATE)
    assert text.startswith("No cliff") == (found.drop.high <= GATE and found.plateau.low > GATE)
    assert text.startswith("The curve does not decide") == (not decided(found))
    if not decided(found):
        above = [i for i, lam in enumerate(LAMS) if 1 < lam <= limit_of(found)]
        assert all(found.plateau.low > GATE >= found.plateau.value - found.rates[i].low for i in above)
