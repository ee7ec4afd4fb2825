"""What a probe's tables and thresholds say of an objective without a base."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.errors import UserError
from listopd.probe.observations import Observations
from listopd.probe.probe_config import ProbeConfig
from listopd.probe.run_probe import probe
from listopd.probe.summary import summarise
from listopd.threshold import base_neutral, lambda_star
from listopd.threshold.closed_form import logit
from listopd.tokens import TokenClass

KINDS = [TokenClass.NEXT_ITEM, TokenClass.CLOSE_LIST]


def config(**values):
    return ProbeConfig(teacher="T", base="B", task="fashion", bootstrap=100, **values)


def observed(p, b):
    """Two tokens of each of as many prompts as there are pairs of p and b."""
    n = 2 * len(p)
    odds = [np.repeat(logit(np.array(column)), 2) for column in (p, b)]
    kinds = np.array([kind.value for kind in KINDS] * len(p), dtype=np.str_)
    names = [str(at // 2) for at in range(n)]
    return Observations(names, np.arange(n), kinds, np.ones(n, dtype=int), *odds, np.zeros(n))


def test_the_start_s_certainty_makes_no_lambda_safe_that_has_no_base():
    found = observed([0.9992] * 4, [0.99] * 4)
    based, bare = (summarise("gold", found, config(base_relative=x)) for x in (True, False))
    stars = [{bound.form: bound.star.value for bound in part.bounds}["B"] for part in (based, bare)]
    assert stars == pytest.approx([lambda_star(0.9992, 0.99, 5), base_neutral(0.9992, 5)])
    assert stars == pytest.approx([1.635, 1.226], abs=0.02), "not the start's, which is far beyond"
    assert bare.verdict.measured.star.value == pytest.approx(stars[1])


shares = st.lists(st.tuples(st.floats(0.91, 0.9999), st.floats(0.3, 0.9999)), min_size=1, max_size=8)


@given(shares)
def test_no_threshold_without_a_base_hangs_on_what_the_start_was_measured_to_be(pairs):
    p, b = zip(*pairs, strict=True)
    part, other = (summarise("gold", observed(p, x), config(base_relative=False)) for x in (b, [0.5] * len(p)))
    assert part.bounds == other.bounds and part.tightest == other.tightest == base_neutral(max(p), 5)
    assert [row.star for row in part.classes + part.items] == [row.star for row in other.classes + other.items]
    assert part.verdict.measured.star == other.verdict.measured.star
    assert all(bound.b == 0.5 and bound.star.value == base_neutral(bound.p, 5) for bound in part.bounds)
    assert part.classes[0].b.mean == pytest.approx(float(np.mean(b))), "which is tabled beside it"
    assert part.flips == ()


def test_a_curve_is_of_a_base():
    with pytest.raises(UserError, match="this objective has no base") as refused:
        probe(config(base_relative=False, curve=True, recipe="R"))
    assert refused.value.place == "R"
