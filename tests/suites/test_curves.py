"""Curves of runs that differ in one number, and how a page draws them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.report.curves import _steps, curve_table, panels
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


def test_a_drawing_holds_what_it_draws(runs):
    found = panels(curves(list(runs.values())))
    assert [panel.title for panel in found] == [
        "fashion: parse rate", "fashion: fmc", "fashion: useful ndcg@1"
    ]  # fmt: skip
    for panel in found:
        assert [tick.text for tick in panel.across] == ["2", "4", "8"]
        gaps = [b.at - a.at for a, b in zip(panel.across, panel.across[1:], strict=False)]
        assert gaps[0] == pytest.approx(gaps[1]), "2, 4, 8 are equal steps"
        for series in panel.series:
            for point in series.points:
                ends = [end for end in (point.low, point.high, point.y) if end is not None]
                assert all(0 <= end <= panel.bottom + 0.01 for end in ends)
                assert panel.left <= point.x <= panel.right
                if point.low is not None and point.high is not None:
                    assert point.high - 0.01 <= point.y <= point.low + 0.01


@given(st.floats(-1e6, 1e6), st.floats(1e-9, 1e6))
def test_an_axis_is_round_and_fits(low, span):
    steps = _steps(low, low + span)
    slack = 1e-6 * (steps[1] - steps[0])
    assert steps[0] <= low + slack
    assert steps[-1] >= low + span - slack
    assert 2 <= len(steps) <= 8
    assert steps[-1] - steps[0] <= 4 * max(span, abs(low) * 1e-9, 1e-12) + slack or span < 1e-9 * abs(low)


def test_an_axis_of_equal_values():
    assert _steps(1.0, 1.0)[0] <= 1.0 <= _steps(1.0, 1.0)[-1]
    assert len(set(_steps(0.0, 0.0))) > 1
