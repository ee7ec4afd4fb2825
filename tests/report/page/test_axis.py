"""Axes fit what stands on them, with round words at even distances."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.report.page.axis import around, fitted

VALUES = st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), min_size=1, max_size=8)


@given(VALUES, st.sampled_from([1.0, 100.0]), st.sampled_from([fitted, around]))
def test_every_value_stands_on_the_axis_where_it_belongs(values, scale, make):
    axis = make(values, scale=scale)
    known = [value for value in values if math.isfinite(value)]
    assert axis.low < axis.high
    slack = 1e-6 * (axis.high - axis.low) + 2e-9
    assert all(axis.low - slack <= value <= axis.high + slack for value in known)
    assert all(0 <= axis.at(value) <= 100 for value in known)
    assert [tick.at for tick in axis.ticks] == sorted(tick.at for tick in axis.ticks)
    assert (axis.ticks[0].at, axis.ticks[-1].at) == (0, 100)
    assert 2 <= len(axis.ticks) <= 8


@given(VALUES, st.sampled_from([1.0, 100.0]))
def test_words_say_where_they_stand(values, scale):
    axis = fitted(values, scale=scale)
    assert len({tick.text for tick in axis.ticks}) == len(axis.ticks)
    for tick in axis.ticks:
        place = axis.low + (axis.high - axis.low) * tick.at / 100
        assert float(tick.text) == pytest.approx(place * scale, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("effect", [0.007, -0.007, 0.0004, 0.9])
def test_an_effect_of_any_size_is_apart_from_zero(effect):
    axis = fitted([effect, effect * 0.5, effect * 1.5], sign=True)
    assert abs(axis.at(effect) - axis.at(0.0)) > 25


def test_zero_is_on_the_axis_of_bars_and_need_not_be_on_that_of_lines():
    assert fitted([0.8, 0.9]).low == 0
    assert around([0.8, 0.9]).low >= 0.75
    assert [tick.text for tick in fitted([0.35, 0.98], scale=100, unit=" %").ticks] == ["0", "25", "50", "75", "100 %"]
    assert [tick.text for tick in fitted([-0.1, 0.2], sign=True).ticks] == ["-0.1", "0.0", "+0.1", "+0.2"]


def test_nothing_measured_still_gives_an_axis():
    for make in (fitted, around):
        axis = make([math.nan])
        assert axis.low < axis.high
        assert math.isnan(axis.at(math.nan))


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=8), st.sampled_from([1.0, 100.0]), st.sampled_from([fitted, around])
)
def test_an_axis_ends_at_the_highest_possible_value_where_the_data_come_near(values, scale, make):
    axis = make(values, scale=scale, most=1.0)
    assert axis.high <= 1 + 1e-9
    if make is fitted and max(values) > 0.85:
        assert axis.high == pytest.approx(1.0)
    if 0.01 < max(values) < 0.5:
        assert axis.high < 0.7, "no room is given away where the data are far from it"
