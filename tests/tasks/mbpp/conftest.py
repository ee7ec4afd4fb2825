"""A task whose sandbox is open, shared by the tests of a module."""

from __future__ import annotations

import pytest

from listeval.errors import UserError
from tasks.mbpp.task import Mbpp


@pytest.fixture(scope="module")
def task():
    """`mbpp` with its sandbox, or a skip with the reason that a user would get."""
    task = Mbpp()
    try:
        task.prepare()
    except UserError as error:
        pytest.skip(f"no sandbox on this machine: {error}")
    yield task
    task.close()
