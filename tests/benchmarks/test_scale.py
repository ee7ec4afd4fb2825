"""The simulation of a long run: what it counts is there, and the ray backend's half keeps nothing of what is done."""

from __future__ import annotations

import sys
import tracemalloc
from itertools import pairwise

import pytest

from benchmarks import scale

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_the_harness_plays_as_many_rows_as_were_asked_for():
    marks = scale.harness(2 * scale.GROUPS)
    assert marks[-1][0] == 2 * scale.GROUPS
    assert all(before[0] < after[0] and before[1] < after[1] for before, after in pairwise(marks))


def test_the_ray_backends_half_keeps_nothing_of_what_is_done(monkeypatch):
    """Bytes that Python holds, not the process' pages: they are the same in every run."""
    tracemalloc.start()
    try:
        monkeypatch.setattr(scale, "resident", lambda: tracemalloc.get_traced_memory()[0])
        # Past the 8,192 requests that may be under way, a request of 1,200 ids and its row are some 20 KB.
        marks = scale.ray_half(30_000)
    finally:
        tracemalloc.stop()
    assert marks[-1][0] == 30_000
    settled = [held for done, _, held in marks if done > 12_000]
    assert max(settled) < 1.5 * marks[len(marks) // 3][2] + 5e6
