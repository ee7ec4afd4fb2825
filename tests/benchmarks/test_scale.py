"""The simulation of a long run: what it counts is there, and the ray backend's half keeps nothing of what is done."""

from __future__ import annotations

import gc
import pathlib
import sys
import tracemalloc
from itertools import pairwise

import pytest

from benchmarks import scale
from listeval.runs import Run, seed_data
from listeval.runs.ledger import Ledger

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


@pytest.mark.slow
def test_a_run_holds_nothing_of_the_rows_that_it_has_made(monkeypatch):
    """What Python holds when all rows are written, of a run and of one twice as long: bytes a further row."""
    monkeypatch.setattr(scale, "GROUPS", 100)
    monkeypatch.setattr(seed_data, "MOST_HELD", 150)
    # The metrics, which come after, read the rows back.
    monkeypatch.setattr(Run, "conclude", lambda run, task: None)
    held = []

    def close(ledger, original=Ledger.close):
        gc.collect()
        found = tracemalloc.take_snapshot().statistics("filename")
        # pathlib interns names: the interpreter's table of these doubles now and then, by megabytes.
        held.append(sum(one.size for one in found if one.traceback[0].filename != pathlib.__file__))
        original(ledger)

    monkeypatch.setattr(Ledger, "close", close)
    tracemalloc.start()
    try:
        for rows in (1200, 1200, 2400):
            scale.harness(rows)
    finally:
        tracemalloc.stop()
    _, once, twice = held
    # A prompt is some 7,500 B, its mark in the ledger 130; tables that grow make the rest.
    assert (twice - once) / 1200 < 100
