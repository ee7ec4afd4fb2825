"""The way from an example to its row, as the calls of a real run draw it: few rooms, and no climb back up.

runs -> the task -> kit (files, hub, prompts)      an example
runs -> backends                                   an answer
runs -> contract, then the task -> scoring         a verdict, and the row
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from listeval import RunConfig, run

ROOT = Path(__file__).parents[1]
KIT = {"data", "parquet", "hub", "table", "source", "listwise", "records", "wording", "cells", "shots", "kit"}
ROOMS = {"runs", "tasks", "kit", "backends", "contract", "scoring"}


def room(file):
    """The room that a source file is in; None for what is no code of ours."""
    try:
        parts = Path(file).relative_to(ROOT).with_suffix("").parts
    except ValueError:
        return None
    if parts[0] != "listeval" or len(parts) < 2:
        return parts[0] if parts[0] == "tasks" else None
    return "kit" if parts[1] in KIT else parts[1]


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """`calls(task)`: pairs of rooms of which one called the other while a sample was loaded, answered and scored."""
    monkeypatch.chdir(tmp_path)

    def call(task):
        def once(out):
            run(RunConfig(task=task, model="gold", backend="null", limit=1, seeds=[0, 1], out=str(tmp_path / out)))

        once("imports everything")
        found = set()

        def note(frame, event, _):
            here, caller = room(frame.f_code.co_filename), frame.f_back
            if event == "call" and here in ROOMS:
                while caller and room(caller.f_code.co_filename) not in ROOMS:
                    caller = caller.f_back
                if caller:
                    found.add((room(caller.f_code.co_filename), here))

        before = sys.getprofile()
        sys.setprofile(note)
        try:
            once("traced")
        finally:
            sys.setprofile(before)
        return {(start, end) for start, end in found if start != end}

    return call


@pytest.mark.parametrize("task", ["gsm8k", "bfcl", "fashion", "msmarco"])
def test_an_example_passes_six_rooms_and_none_calls_back_up(calls, task):
    found = calls(task)
    assert {("runs", "tasks"), ("tasks", "kit"), ("runs", "backends"), ("runs", "contract")} <= found
    assert ("tasks", "scoring") in found
    assert {(start, end) for start, end in found if end == "runs" or (end == "tasks" and start != "runs")} == set()
