"""λ_flip by class and item: before the filter by p, with and without reach, and never of ids or values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listopd.probe.flips import flips
from listopd.probe.observations import Observations
from listopd.threshold import Positions, flip_threshold, lambda_flip
from listopd.threshold.closed_form import logit
from listopd.tokens import TokenClass

NEXT, CLOSE = TokenClass.NEXT_ITEM, TokenClass.CLOSE_LIST


def observed(rows):
    """Of (class, item, p, b), a token each."""
    kinds, items, p, b = zip(*rows, strict=True)
    n = len(rows)
    odds = [logit(np.array(column)) for column in (p, b)]
    names = [str(at % 3) for at in range(n)]
    return Observations(names, np.arange(n), np.array(kinds, dtype=np.str_), np.array(items), *odds, np.zeros(n))


def test_each_class_and_item_has_its_own_the_earliest_first():
    rows = [(NEXT, 7, 0.7, 0.97)] * 4 + [(NEXT, 1, 0.9, 0.95)] * 4 + [(CLOSE, 8, 0.95, 0.9)] * 4
    found = flips(observed(rows), 0.0)
    assert [(flip.kind, flip.item) for flip in found] == [(NEXT, 7), (NEXT, 1)]
    assert found[0].value == found[0].earliest == pytest.approx(lambda_flip(0.7, 0.97))
    assert (found[0].n, found[0].surer) == (4, 1.0)


def test_the_teacher_s_doubt_hides_nothing():
    """The filter of λ* would drop every position with p below 0.9."""
    assert flips(observed([(NEXT, 1, 0.55, 0.99)]), 0.0)[0].value == pytest.approx(lambda_flip(0.55, 0.99))


def test_what_the_base_hardly_ever_writes_is_out_of_reach_but_told():
    found = flips(observed([(NEXT, 1, 0.7, 1 - 1e-5)]), 1e-3)
    assert math.isinf(found[0].value) and found[0].earliest == pytest.approx(lambda_flip(0.7, 1 - 1e-5))
    assert math.isfinite(flips(observed([(NEXT, 1, 0.7, 1 - 1e-2)]), 1e-3)[0].value)


def test_ids_and_values_are_free():
    assert flips(observed([(TokenClass.ID, 1, 0.6, 0.99), (TokenClass.VALUE, 1, 0.6, 0.99)]), 0.0) == ()


def test_a_few_positions_flip_no_step():
    rows = [(NEXT, 1, 0.7, 0.97)] + [(NEXT, 1, 0.97, 0.7)] * 40
    found = flips(observed(rows), 0.0)[0]
    assert math.isinf(found.value) and math.isfinite(found.earliest) and found.surer == pytest.approx(1 / 41)


@given(st.lists(st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)), min_size=1, max_size=12), st.floats(0, 0.5))
def test_a_longer_reach_flips_no_later(pairs, reach):
    p, b = zip(*pairs, strict=True)
    positions = Positions.of(range(len(p)), p, b, ["x"] * len(p))
    assert flip_threshold(positions) <= flip_threshold(positions, reach=reach)
    assert flip_threshold(positions, reach=0.0) == flip_threshold(positions)
