"""λ* against every identity that it should satisfy, printed tables included."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from listeval.errors import UserError
from listopd.threshold.closed_form import (
    base_neutral,
    clip_boundary,
    clip_safe,
    from_tightness,
    lambda_run,
    lambda_star,
    lambda_stars,
    logit,
    sigmoid,
    theta_star,
    tightness,
)

inside = st.floats(1e-6, 1 - 1e-6)
caps = st.floats(1.01, 100)
CLIPS = (1.2, 1.5, 2, 3, 5, 10)


@st.composite
def sharper(draw):
    """p > b, apart enough for log-odds to differ beyond rounding, and a cap."""
    p, b = draw(inside), draw(inside)
    assume(logit(p) - logit(b) > 1e-3)
    return p, b, draw(caps)


@pytest.mark.parametrize(
    ("p", "row"),
    [
        (0.95, (1.065, 1.144, 1.244, 1.385, 1.561, 1.798)),
        (0.99, (1.040, 1.089, 1.152, 1.241, 1.352, 1.503)),
        (0.995, (1.035, 1.077, 1.131, 1.208, 1.305, 1.436)),
        (0.999, (1.026, 1.059, 1.100, 1.159, 1.233, 1.334)),
        (0.9993, (1.025, 1.056, 1.095, 1.151, 1.222, 1.317)),
        (0.9999, (1.020, 1.044, 1.075, 1.119, 1.175, 1.250)),
    ],
)
def test_the_base_neutral_table(p, row):
    assert [round(base_neutral(p, c), 3) for c in CLIPS] == list(row)


@pytest.mark.parametrize(
    ("b", "row"),
    [
        (0.3, (1.297, 1.208, 1.198, 1.160)),
        (0.5, (1.352, 1.233, 1.222, 1.175)),
        (0.8, (1.504, 1.292, 1.274, 1.206)),
        (0.9, (1.675, 1.342, 1.318, 1.230)),
        (0.95, (1.980, 1.406, 1.373, 1.257)),
        (0.99, (math.inf, 1.697, 1.603, 1.349)),
    ],
)
def test_the_table_of_warm_starts_at_c_5(b, row):
    assert [round(lambda_star(p, b, 5), 3) for p in (0.99, 0.999, 0.9993, 0.9999)] == list(row)


def test_the_marker_at_1_22_implies_the_mean_probability():
    assert round(base_neutral(0.99934, 5), 3) == 1.220
    assert base_neutral(0.99922, 5) == pytest.approx(1.225, abs=5e-4)
    assert base_neutral(0.99944, 5) == pytest.approx(1.215, abs=5e-4)


@given(sharper())
def test_the_three_printed_forms_are_one(case):
    p, b, c = case
    odds = math.log((1 - p) / p) - math.log((1 - b) / b)
    eq4 = (math.log((1 - p) / (c - 1 + p)) - math.log((1 - b) / b)) / odds
    readable = float((logit(clip_boundary(p, c)) - logit(b)) / (logit(p) - logit(b)))
    assert lambda_star(p, b, c) == pytest.approx(eq4, rel=1e-9)
    assert lambda_star(p, b, c) == pytest.approx(readable, rel=1e-9)


def test_the_stable_form_survives_where_the_printed_one_cancels():
    p, b, c = 1 - 1e-15, 0.5, 5.0
    assert lambda_star(p, b, c) == pytest.approx(1 + math.log(5) / math.log(1e15), rel=2e-3)


@given(st.floats(0.6, 1 - 1e-6), caps)
def test_the_base_neutral_form(p, c):
    printed = math.log((1 - p) / (c - 1 + p)) / math.log((1 - p) / p)
    assert base_neutral(p, c) == pytest.approx(printed, rel=1e-9)


def test_the_rule_of_thumb_for_a_neutral_base():
    assert base_neutral(0.9999, 5) == pytest.approx(1 + math.log(5) / float(logit(0.9999)), abs=1e-4)


@given(sharper())
def test_the_threshold_is_where_the_target_meets_the_clip_boundary(case):
    p, b, c = case
    star = lambda_star(p, b, c)
    assume(star < 1e3)
    assert 1 - theta_star(p, b, star) == pytest.approx((1 - p) / c, rel=1e-6)
    assert clip_safe(theta_star(p, b, star - 1e-4), p, c)
    assert not clip_safe(theta_star(p, b, star + 1e-4), p, c) or (1 - p) / c < 1e-12


@given(sharper(), st.floats(1.001, 2))
def test_it_is_above_1_grows_with_b_and_c_and_falls_with_p(case, factor):
    p, b, c = case
    star = lambda_star(p, b, c)
    assert star > 1
    assert lambda_star(p, b, c * factor) > star
    closer = float(sigmoid((logit(p) + logit(b)) / 2))
    assert lambda_star(p, closer, c) > star
    assert lambda_star(closer, b, c) > star


def test_limits():
    assert lambda_star(0.99, 0.99 - 1e-9, 5) > 1e6
    assert lambda_star(0.99, 0.8, 1 + 1e-9) == pytest.approx(1, abs=1e-8)
    assert lambda_star(0.99, 0.8, math.inf) == math.inf
    assert lambda_star(1 - 1e-12, 0.5, 5) == pytest.approx(1.058, abs=1e-3), "only logarithmically"


@given(inside, inside, caps)
def test_there_is_no_upper_threshold_for_a_base_as_sharp_as_the_teacher(p, b, c):
    assume(b >= p)
    assert lambda_star(p, b, c) == math.inf
    assert lambda_run(p, b, c) == math.inf
    assert lambda_star(p, p, c) == math.inf


def test_the_printed_form_would_be_below_1_there():
    p, b, c = 0.9, 0.99, 5.0
    assert 1 + math.log1p((c - 1) / p) / float(logit(p) - logit(b)) < 1


@given(sharper())
def test_running_to_certainty_needs_a_little_more(case):
    p, b, c = case
    gap = float(logit(p) - logit(b))
    excess = lambda_run(p, b, c) - lambda_star(p, b, c)
    assert excess * gap == pytest.approx(-math.log1p(-(1 - p) / c), rel=1e-5, abs=1e-9)
    assert excess >= 0


@given(inside, inside, st.floats(-3, 5))
def test_the_target_is_the_normalised_geometric_mixture(p, b, lam):
    on, off = p**lam * b ** (1 - lam), (1 - p) ** lam * (1 - b) ** (1 - lam)
    assume(1e-250 < on < 1e250 and 1e-250 < off < 1e250)
    assert theta_star(p, b, lam) == pytest.approx(on / (on + off), rel=1e-9)
    assert theta_star(p, 0.5, lam) == pytest.approx(p**lam / (p**lam + (1 - p) ** lam), rel=1e-9)


@given(inside, inside, st.floats(0, 3))
def test_the_target_at_the_ends(p, b, lam):
    assert theta_star(p, b, 1) == pytest.approx(p)
    assert theta_star(p, b, 0) == pytest.approx(b)
    assert theta_star(p, p, lam) == pytest.approx(p), "a base like the teacher leaves nothing to extrapolate"


def test_extrapolation_desharpens_where_the_base_is_sharper():
    assert theta_star(0.9, 0.99, 2) < theta_star(0.9, 0.99, 1)


@given(inside, caps)
def test_clip_safe_says_that_the_off_modal_ratio_is_within_the_cap(p, c):
    for theta in (0.0, p, clip_boundary(p, c) - 1e-9, min(1 - 1e-12, clip_boundary(p, c) + 1e-9)):
        assert clip_safe(theta, p, c) == ((1 - p) / (1 - theta) <= c * (1 + 1e-15)) or abs(1 - theta) < 1e-7


@given(sharper())
def test_tightness_is_the_inverse_excess(case):
    assert float(tightness(*case)) == pytest.approx(1 / (lambda_star(*case) - 1), rel=1e-9)
    assert float(from_tightness(tightness(*case))) == lambda_star(*case)


def test_tightness_passes_through_zero_where_the_threshold_runs_away():
    found = tightness(0.9, [0.89, 0.9, 0.91], 5)
    assert found[0] > 0 == found[1] > found[2]
    assert np.isinf(from_tightness(found)[1:]).all()


def test_arrays_broadcast_and_agree_with_single_values():
    p, b = np.array([[0.99], [0.999]]), np.array([0.5, 0.8, 0.995])
    found = lambda_stars(p, b, 5)
    assert found.shape == (2, 3)
    assert found.tolist() == [[lambda_star(x, y, 5) for y in b.tolist()] for x in p.ravel().tolist()]


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, 1.1, math.nan])
def test_a_probability_at_or_beyond_the_ends_is_refused_by_name(p):
    with pytest.raises(UserError, match=r"^p must be strictly between 0 and 1") as caught:
        lambda_star(p, 0.5, 5)
    assert caught.value.place == "p"
    with pytest.raises(UserError, match=r"^b must be strictly between 0 and 1"):
        lambda_star(0.9, p, 5)
    with pytest.raises(UserError, match=r"^p must be"):
        theta_star(p, 0.5, 1.2)


@pytest.mark.parametrize("c", [1.0, 0.5, 0.0, -2.0, math.nan])
def test_a_cap_that_forbids_extrapolation_is_refused(c):
    for function in (lambda_star, lambda_run):
        with pytest.raises(UserError, match="the cap c must be above 1"):
            function(0.9, 0.5, c)
    with pytest.raises(UserError, match="the cap c must be above 1"):
        clip_boundary(0.9, c)


def test_an_endless_lambda_and_an_impossible_student_are_refused():
    with pytest.raises(UserError, match="λ must be a finite number"):
        theta_star(0.9, 0.5, math.inf)
    with pytest.raises(UserError, match="θ must be between 0 and 1"):
        clip_safe(1.5, 0.9, 5)


def test_thresholds_and_policies_are_there_without_torch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from listopd.threshold import lambda_star\n"
        "from listopd.extrapolation import AutoSpec\n"
        "AutoSpec().build(); print(round(lambda_star(.99, .8, 5), 3))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == "1.504"
