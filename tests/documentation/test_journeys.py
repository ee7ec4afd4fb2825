"""The journeys of docs/architecture.md, followed in real runs: every step is taken, in the order that is written."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from docs.tools.journeys import JOURNEYS, Journey, Step
from listeval.comparison import compare
from listeval.report.comparison.page import comparison_page
from listeval.runs import RunConfig, run


def journey(title: str) -> Journey:
    return next(journey for journey in JOURNEYS if title in journey.title)


def is_at(step: Step, frame: FrameType) -> bool:
    """Whether a frame is of the step's function, or of the one that a plug-in has in its place."""
    if frame.f_code is inspect.unwrap(step.function).__code__:
        return True
    if not step.anyones or frame.f_code.co_name != step.function.__name__:
        return False
    owner = getattr(sys.modules[step.function.__module__], step.function.__qualname__.split(".")[0])
    return isinstance(frame.f_locals.get("self"), owner)


def passed(steps: Sequence[Step], travel: Callable[[], Any]) -> list[str]:
    """Names of the steps in the order of their first call."""
    found: dict[str, None] = {}
    names = {step.function.__name__ for step in steps}

    def see(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_name in names:
            found.update(dict.fromkeys(step.name for step in steps if is_at(step, frame)))

    threading.setprofile(see)
    sys.setprofile(see)
    try:
        travel()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    return list(found)


def names(journey: Journey) -> list[str]:
    return [step.name for step in journey.steps]


def played(out: Path, model: str) -> RunConfig:
    return RunConfig(task="fashion", model=model, backend="null", limit=4, out=str(out))


@pytest.mark.parametrize("title", ["example to a request", "completion to a row"])
def test_a_run_goes_the_way_that_is_written(title, tmp_path):
    found = journey(title)

    def travel() -> None:
        assert run(played(tmp_path / "run", "gold")).summary.n == 4

    assert passed(found.steps, travel) == names(found)


def test_a_page_is_made_the_way_that_is_written(tmp_path):
    found = journey("rows to a page")
    for model in ("gold", "faults"):
        run(played(tmp_path / model, model))

    def travel() -> None:
        assert "<html" in comparison_page(compare([tmp_path / "faults", tmp_path / "gold"]))

    assert passed(found.steps, travel) == names(found)


@pytest.mark.slow
def test_a_constraint_goes_the_way_that_is_written(tmp_path):
    found = journey("flag to a mask")
    config = RunConfig(
        task="fashion", model="tiny-sft", backend="hf", constraint="permutation", limit=1, out=str(tmp_path)
    )
    assert passed(found.steps, lambda: run(config)) == names(found)


@pytest.mark.slow
def test_a_training_step_goes_the_way_that_is_written(tmp_path):
    from listeval.cli.main import main

    found = journey("rollout to a gradient")
    models = ["opd.student=tiny-sft", "opd.teacher=tiny-teacher"]
    changed = ["data=null", "opd.steps=1", "opd.batch=2", "opd.objective.divergence=sampled"]
    arguments = ["train", "opd", "tiny", *models, *changed, "--out", str(tmp_path / "run"), "--quiet"]

    def travel() -> None:
        with pytest.raises(SystemExit) as done:
            main(arguments)
        assert done.value.code == 0

    assert passed(found.steps, travel) == names(found)


def test_a_way_that_is_not_taken_is_seen(tmp_path):
    run(played(tmp_path / "run", "gold"))
    found = journey("rows to a page")
    assert passed(found.steps, lambda: compare([tmp_path / "run", tmp_path / "run+permutation"])) != names(found)
