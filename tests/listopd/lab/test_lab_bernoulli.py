"""Where the tabular position saturates in simulation is λ*, which nothing in the simulation knows."""

import math

import pytest
import torch

from listeval.errors import UserError
from listopd.lab.lab_bernoulli import Position, saturation, train
from listopd.threshold.closed_form import lambda_star, theta_star

FAST = [Position(0.95, 0.5, 1.5), Position(0.97, 0.6, 2.0), Position(0.9, 0.5, 5.0)]
CASES = [Position(0.99, 0.8, 5.0), Position(0.99, 0.8, 2.0), Position(0.995, 0.9, 5.0), *FAST]


def test_expected_updates_saturate_at_lambda_star():
    for case, found in zip(FAST, saturation(FAST, steps=2_000), strict=True):
        assert found == pytest.approx(lambda_star(*case), abs=0.01)


@pytest.mark.slow
def test_and_so_do_surer_positions_given_the_steps():
    for case, found in zip(CASES, saturation(CASES), strict=True):
        assert found == pytest.approx(lambda_star(*case), abs=0.01)


def test_a_base_that_is_surer_than_the_teacher_never_saturates():
    assert saturation([Position(0.9, 0.95, 5.0)], steps=300) == [math.inf]


def test_without_a_cap_the_student_ends_at_the_target():
    lams = torch.tensor([[0.5, 1.0, 1.5, 2.0]])
    found = train([Position(0.95, 0.8, math.inf)], lams, "expected", steps=2_000)[0]
    expected = [theta_star(0.95, 0.8, lam) for lam in lams[0].tolist()]
    assert found.tolist() == pytest.approx(expected, abs=1e-4)


def test_sampled_updates_come_near_it():
    lams = torch.tensor([[1.0, 1.5]])
    found = train([Position(0.9, 0.7, math.inf)], lams, "listopd", steps=1_000, batch=512, seed=3)[0]
    expected = [theta_star(0.9, 0.7, lam) for lam in lams[0].tolist()]
    assert found.tolist() == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("case", [(1.0, 0.5, 2.0), (0.9, 0.0, 2.0), (0.9, 0.5, 1.0), (0.9, 0.5, math.inf)])
def test_what_is_no_position_with_a_cap_is_refused(case):
    with pytest.raises(UserError, match="no position with a cap"):
        saturation([Position(*case)])
