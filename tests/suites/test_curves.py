"""Curves of runs that differ in one number, and how a page draws them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.report.curve_tables import curve_table
from listeval.report.page.setting_curves import curves as setting_curves
from listeval.report.suite_page import _plots, suite_page
from listeval.runs import RunConfig, run
from listeval.runs.told_apart import ends
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


APART = {
    "data": ({"data": "da/x.jsonl"}, {"data": "db/x.jsonl"}),
    "limit": ({"limit": 3}, {"limit": 6}),
    "model": ({"model": "/runs/sft/checkpoint"}, {"model": "/runs/listopd/checkpoint"}),
    "temperature": ({}, {"temperature": 0.5}),
    "attempts": ({}, {"attempts": 2, "temperature": 0.5}),
    "seeds": ({"seeds": (1, 2)}, {"seeds": (3, 4)}),
    "max tokens": ({"max_tokens": 40}, {"max_tokens": 400}),
}
"""What two entries of a suite differ in, and how; every pair makes one curve of two points each."""


@pytest.fixture
def made(tmp_path, monkeypatch):
    """The four runs of two entries of a suite with k = 2, 4."""
    monkeypatch.chdir(tmp_path)
    lines = (Path(__file__).parents[2] / "tasks/fashion/sample.jsonl").read_text().splitlines()
    for name, own in (("da", lines[:32]), ("db", lines[32:])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jsonl").write_text("\n".join(own))

    def make(entries):
        values = {"task": "fashion", "model": "m", "backend": "null", "limit": 8}
        asked = [(at, k, {**values, **entry}) for at, entry in enumerate(entries) for k in (2, 4)]
        return [run(RunConfig(**own, options={"k": k}, out=str(tmp_path / f"e{at}k{k}"))) for at, k, own in asked]

    return make


@pytest.mark.parametrize("what", APART)
def test_entries_that_differ_in_anything_are_curves_of_their_own_and_called_by_it(made, what):
    runs = made(APART[what])
    first, second = curves(runs)
    assert [[point.run for point in curve.points] for curve in (first, second)] == [runs[:2], runs[2:]]
    assert first.name != second.name and f", {what} " in first.name
    for plot in _plots([first, second]):
        assert [len(line.dots) for line in plot.lines] == [2, 2], plot.figure
    (drawn,) = setting_curves(runs, [run.summary.metrics for run in runs], ["parse_rate"])[:1]
    assert [len(line.dots) for line in drawn.lines] == [2, 2]


def test_named_samples_are_curves_of_their_own(made):
    runs = made([{}, {}])
    for at, one in enumerate(runs):
        object.__setattr__(one.manifest.config, "samples", (f"s{at // 2}",))
    assert [curve.name for curve in curves(runs)] == ["fashion, m, samples s0", "fashion, m, samples s1"]


def test_a_fixed_budget_leaves_the_curve_of_the_default_ones_whole(made):
    runs = made([{}, {"max_tokens": 777}])
    assert len({one.manifest.config.max_tokens for one in runs}) == 3
    found = curves(runs)
    assert sorted([point.run for point in curve.points] == runs[:2] for curve in found) == [False, True]
    assert all(len(curve.points) == 2 for curve in found)
    assert {curve.name for curve in found} == {"fashion, m, max tokens 777", "fashion, m, max tokens by default"}


def test_curves_that_nothing_in_words_tells_apart_are_called_by_their_place(made, tmp_path):
    runs = made([{}, {}])
    for one in runs[2:]:
        one.manifest.identity["model"]["fingerprint"] = "other weights under the same name"
    first, second = curves(runs)
    assert (first.name, second.name) == tuple(f"fashion, m, {tmp_path / name}" for name in ("e0k2", "e1k2"))


def test_the_same_run_twice_is_one_point(made):
    runs = made([{}, {}])
    (curve,) = curves(runs)
    assert [point.run for point in curve.points] == runs[:2]


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join), unique=True))
def test_ends_of_paths_tell_them_apart_and_are_ends(paths):
    found = ends(paths)
    assert len(set(found.values())) == len(paths)
    assert all(path == end or path.endswith(f"/{end}") for path, end in found.items())


def test_what_somebody_else_wrote_is_escaped_and_made_visible(runs):
    page = suite_page("<b>\u202e", [runs["null2"]], ["<i>"], [], [])
    assert "<b>" not in page
    assert "\u202e" not in page
    assert "&lt;i&gt;" in page
