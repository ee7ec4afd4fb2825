"""What the rules foretell of a pair, and which claims may name them."""

import math

import pytest
from pydantic import ValidationError

from listopd.cliff.arms import PairForecast
from listopd.cliff.claims import DriftClaim, MidpointClaim
from listopd.cliff.cliff_rules import foretold_cliff
from listopd.threshold import lambda_star

PAIR = PairForecast((1.0,), ((),), {"B": (0.99, 0.9), "sep 4": (0.97, 0.5), "sep 5": (1.0, 0.5)})


@pytest.mark.parametrize(
    ("rule", "token", "number"),
    [
        ("token", "sep 4", lambda_star(0.97, 0.5, 2)),
        ("token", "sep 5", math.nan),
        ("token", "sep 9", math.nan),
        ("token", None, math.nan),
        ("B", None, lambda_star(0.99, 0.9, 2)),
        ("B", "sep 4", lambda_star(0.99, 0.9, 2)),
        ("A", None, math.nan),
    ],
)
def test_a_rule_gives_the_threshold_of_what_it_names(rule, token, number):
    assert foretold_cliff(PAIR, rule, 2.0, 100, token) == pytest.approx(number, nan_ok=True)


def test_without_a_cap_no_class_has_a_threshold():
    assert foretold_cliff(PAIR, "token", math.inf, 100, "sep 4") == math.inf


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (MidpointClaim, {"kind": "midpoint", "at": "token"}),
        (DriftClaim, {"kind": "drift", "fit": [3], "star": "token"}),
    ],
)
def test_a_class_s_own_threshold_needs_a_class(kind, fields):
    shared = {"id": "x", "of": {"part": "P"}, **fields}
    assert kind.model_validate(shared | {"good": "safe", "token": "sep 4"}).token == "sep 4"
    with pytest.raises(ValidationError, match="needs good: safe and the token class"):
        kind.model_validate(shared)
