"""The falling fit against scikit-learn's, and crossings against what a crossing is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listopd.estimates import crossing, falling

RATES = st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=2, max_size=12)


@given(RATES)
def test_the_fit_is_scikit_learns(rates):
    isotonic = pytest.importorskip("sklearn.isotonic", reason="needs scikit-learn")
    theirs = isotonic.isotonic_regression(np.array(rates), increasing=False)
    assert falling(rates) == pytest.approx(theirs, abs=1e-12)


@given(RATES)
def test_the_fit_never_rises_keeps_the_mean_and_stays_within_the_data(rates):
    fit = falling(rates)
    assert (np.diff(fit) <= 1e-12).all()
    assert fit.mean() == pytest.approx(np.mean(rates))
    assert min(rates) - 1e-12 <= fit.min() and fit.max() <= max(rates) + 1e-12


@given(st.lists(st.integers(0, 20), min_size=2, max_size=12), st.data())
def test_a_crossing_is_where_the_curve_takes_the_level(counts, data):
    curve = np.array(sorted(counts, reverse=True)) / 20
    gaps = data.draw(st.lists(st.floats(0.01, 1), min_size=len(curve), max_size=len(curve)))
    lams = 1 + np.cumsum(gaps)
    level = data.draw(st.floats(0, 1))
    at = crossing(lams, curve, level)
    assert lams[0] <= at <= lams[-1]
    if curve[-1] <= level <= curve[0]:
        assert np.interp(at, lams, curve) == pytest.approx(level, abs=1e-9)
    else:
        assert at == (lams[0] if curve[0] < level else lams[-1])


@given(st.lists(st.integers(0, 20), min_size=2, max_size=12), st.floats(0, 1), st.floats(0, 1))
def test_a_lower_level_is_crossed_no_earlier(counts, one, other):
    curve, lams = np.array(sorted(counts, reverse=True)) / 20, np.arange(len(counts))
    assert crossing(lams, curve, max(one, other)) <= crossing(lams, curve, min(one, other)) + 1e-12


def test_along_a_stretch_the_crossing_is_its_middle():
    assert crossing([1, 1.5, 2, 3], [1, 0.5, 0.5, 0], 0.5) == 1.75
    assert crossing([1, 2, 3], [0.9, 0.9, 0.9], 0.9) == 2
