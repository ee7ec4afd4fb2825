"""Curves of runs that differ in one number, and how a page draws them."""

from __future__ import annotations

import pytest

from listeval.report.curve_tables import curve_table
from listeval.report.suite_page import _plots, suite_page
from listeval.runs import RunConfig, run
from listeval.suites.curves import curves


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("curves")

    def make(name, **changes):
        values = {"task": "fashion", "model": "m", "backend": "null", "limit": 20, "out": str(folder / name)}
        return run(RunConfig(**{**values, **changes}))

    found = {f"{m}{k}": make(f"{m}{k}", model=m, options={"k": k}) for m in ("null", "gold") for k in (8, 2, 4)}
    found["other seed"] = make("s", options={"k": 2}, seeds=(1,))
    found["passages"] = make("p", task="msmarco", options={"k": 4})
    return found


def test_runs_that_differ_in_k_alone_are_one_curve(runs):
    found = curves(list(runs.values()))
    assert [(c.option, [(p.x, p.run) for p in c.points]) for c in found] == [
        ("k", [(k, runs[f"{m}{k}"]) for k in (2, 4, 8)]) for m in ("null", "gold")
    ]
    assert found[0].figures == ["parse_rate", "fmc", "useful_ndcg@1"]
    assert [c.name for c in found] == ["fashion, null", "fashion, gold"]
    for point in found[0].points:
        assert point.figures["parse_rate"] == point.run.summary.metrics["parse_rate"]


def test_one_point_is_no_curve(runs):
    assert curves([runs["null2"], runs["gold4"], runs["other seed"], runs["passages"]]) == []


def test_a_curve_as_json_and_as_a_table(runs):
    [curve] = curves([runs["null4"], runs["null2"]])
    points = curve.to_json()["points"]
    assert [(point["k"], point["n"]) for point in points] == [(2, 20), (4, 20)]
    assert points[0]["fmc"].keys() == {"value", "low", "high"}
    table = curve_table(curve)
    assert table.header == ["k", "samples", "parse rate", "fmc", "useful ndcg@1"]
    assert [row[:2] for row in table.rows] == [["2", "20"], ["4", "20"]]


def test_a_page_draws_every_curve_of_a_figure_in_one_plot(runs):
    found = _plots(curves(list(runs.values())))
    assert [(plot.figure, plot.setting) for plot in found] == [
        ("parse rate", "k"), ("fmc", "k"), ("useful ndcg@1", "k")
    ]  # fmt: skip
    for plot in found:
        assert [tick.text for tick in plot.x.ticks] == ["2", "4", "8"]
        assert [line.name for line in plot.lines] == ["fashion, null", "fashion, gold"]
        for dot in (dot for line in plot.lines for dot in line.dots):
            assert 0 <= dot.x <= 100
            assert dot.low <= dot.y <= dot.high


def test_what_somebody_else_wrote_is_escaped_and_made_visible(runs):
    page = suite_page("<b>\u202e", [runs["null2"]], ["<i>"], [], [])
    assert "<b>" not in page
    assert "\u202e" not in page
    assert "&lt;i&gt;" in page
