"""No answer that is wrong passes, whatever it does to its own process, to values or to the channel."""

from __future__ import annotations

import pytest

from listeval.scoring.execution import Outcome, Program
from tests.hostile.forgeries import FORGERIES
from tests.scoring.execution.attacks import ATTACKS
from tests.scoring.execution.conftest import sandbox  # noqa: F401 - a fixture

GOOD = Program("import math\ndef f(x): return x + 1", ("assert f(1) == 2", "assert math.sqrt(4) == 2"))


def test_there_are_enough_of_them():
    assert len(FORGERIES) + len(ATTACKS) >= 150


@pytest.mark.parametrize("name", FORGERIES)
def test_it_is_not_ok_and_neither_unscored_nor_felt_by_the_next(sandbox, name):  # noqa: F811
    ran, after = sandbox.run([FORGERIES[name], GOOD])
    assert ran.outcome not in (Outcome.OK, Outcome.SANDBOX), ran
    assert after.outcome is Outcome.OK, after
