"""Which options are given several values: only where the option itself does not take what stands there."""

from __future__ import annotations

import pytest
from pydantic import Field

from listeval import Task, TaskOptions
from listeval.runs import RunConfig
from listeval.suites import axes as module
from listeval.suites.axes import axes, planned


class Options(TaskOptions):
    k: int = Field(8, ge=2)
    order: str = "given"
    ids: tuple[str, ...] = ()
    share: float = 0.5


class Listed(Task):
    Options = Options


@pytest.fixture(autouse=True)
def task(monkeypatch):
    monkeypatch.setattr(module, "load_task", lambda name: Listed)


def config(out=None, **options):
    return RunConfig(task="t", model="m", options=options, out=out)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"k": "2,4,8"}, {"k": [2, 4, 8]}),
        ({"k": [2, 4]}, {"k": [2, 4]}),
        ({"k": "2, 4", "share": "0.1,1"}, {"k": [2, 4], "share": [0.1, 1]}),
        ({"k": 4}, {}),
        ({"k": "4,4"}, {}),
        ({"k": "2,x"}, {}),
        ({"k": "1,2"}, {}),
        ({"order": "a,b"}, {}),
        ({"ids": ["a", "b"]}, {}),
        ({"unknown": "1,2"}, {}),
        ({}, {}),
    ],
)
def test_axes(options, found):
    assert axes(config(**options)) == found


def test_each_combination_is_a_run_with_a_directory_of_its_own():
    runs = planned([config(out="here", k="2,4", order="x")], {"k": [2, 4], "share": [0.1]})
    assert [(run.name, run.config.out) for run in runs] == [
        ("k=2_share=0.1", "here/k=2_share=0.1"), ("k=4_share=0.1", "here/k=4_share=0.1")
    ]  # fmt: skip
    assert runs[0].config.options == {"k": 2, "order": "x", "share": 0.1}
    assert planned([config(k="2,4")], {"k": [2, 4]})[0].config.out is None
