"""Sandboxes of both kinds, and what to do where the machine cannot have them."""

from __future__ import annotations

import shutil

import pytest

from listeval.errors import UserError
from listeval.scoring.execution import Limits, Sandbox

LIMITS = Limits(cpu=2.0, wall=3.0, memory=256 << 20, threads=12, file_size=1 << 20, tmp_size=4 << 20, inodes=64)


def start(isolation, limits=LIMITS, workers=1):
    """A sandbox, or a skip with the reason that a user would get."""
    if isolation == "bubblewrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    try:
        return Sandbox(limits, workers, isolation=isolation)
    except UserError as error:
        pytest.skip(f"no sandbox on this machine: {error}")


@pytest.fixture(scope="module", params=["namespaces", "bubblewrap"])
def sandbox(request):
    with start(request.param) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def any_sandbox():
    """The kind that a user gets here."""
    with start(None) as sandbox:
        yield sandbox
