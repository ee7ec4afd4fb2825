"""Verdicts of the real MBPP solutions, the same on a quiet machine and with twice as many busy processes as cores."""

from __future__ import annotations

import json
import multiprocessing
import os
import time

import pytest

from listeval.scoring.execution import Limits, Outcome, Program
from tests.scoring.execution.conftest import start


def load(folder):
    full = [json.loads(line) for line in (folder / "mbpp.jsonl").read_text("utf-8").splitlines()]
    sanitized = json.loads((folder / "sanitized-mbpp.json").read_text("utf-8"))
    programs = {}
    for row in full:
        # The setup of two rows builds trees from a class of the program, so it follows the code like a test.
        tests = [row["test_setup_code"], *row["test_list"], *row["challenge_test_list"]]
        programs["full", row["task_id"]] = Program(row["code"], tuple(filter(None, tests)))
    for row in sanitized:
        programs["sanitized", row["task_id"]] = Program(
            row["code"], tuple(row["test_list"]), "\n".join(row["test_imports"])
        )
    return programs


def spin():
    while True:
        pass


@pytest.fixture
def busy():
    """Twice as many busy processes as cores."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=spin, daemon=True) for _ in range(2 * len(os.sched_getaffinity(0)))]
    for process in processes:
        process.start()
    time.sleep(3)
    yield
    for process in processes:
        process.kill()
        process.join()


def outcomes(programs):
    with start(None, Limits(), workers=None) as sandbox:
        return dict(zip(programs, sandbox.run(list(programs.values())), strict=True))


@pytest.fixture(scope="module")
def gold(shared_data):
    return load(shared_data / "mbpp")


@pytest.fixture(scope="module")
def quiet(gold):
    return outcomes(gold)


@pytest.mark.slow
def test_every_gold_solution_passes(quiet):
    assert len(quiet) > 1200
    assert {key: ran for key, ran in quiet.items() if ran.outcome is not Outcome.OK} == {}


@pytest.mark.slow
def test_no_solution_at_all_passes_nothing(gold):
    wrong = {key: Program("", program.tests, program.setup) for key, program in gold.items()}
    assert {ran.outcome for ran in outcomes(wrong).values()} == {Outcome.EXCEPTION}


@pytest.mark.slow
def test_verdicts_of_500_do_not_flip_under_load(gold, quiet, busy):
    some = dict(list(gold.items())[:500])
    loaded = outcomes(some)
    assert {key: ran.outcome for key, ran in loaded.items()} == {key: quiet[key].outcome for key in some}
