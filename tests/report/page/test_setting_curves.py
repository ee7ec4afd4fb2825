"""Figures against a setting: a line is of runs that are alike in everything else."""

import json
import math

import pytest
from right_rankings import good

from listeval.report.page.setting_curves import curves


def drawn(runs, name="parse_rate"):
    return {plot.setting: plot for plot in curves(runs, [run.summary.metrics for run in runs], [name])}


def test_k_is_an_axis_and_its_points_are_the_runs_figures(make_run):
    runs = [
        make_run(f"k{k}", lambda row, k=k: good(row, row["index"] % k == 0), model="m", options={"k": k})
        for k in (8, 2, 4)
    ]
    plot = drawn(runs)["k"]
    [line] = plot.lines
    assert [tick.text for tick in plot.x.ticks] == ["2", "4", "8"]
    for dot, run in zip(line.dots, sorted(runs, key=lambda run: run.manifest.task.options["k"]), strict=True):
        value = run.summary.metrics["parse_rate"]
        assert f"{100 * value.value:.1f} %" in dot.text
        assert dot.low <= dot.y <= dot.high
        assert plot.y.low + (plot.y.high - plot.y.low) * dot.y / 100 == pytest.approx(value.value)
    assert [dot.x for dot in line.dots] == pytest.approx([0, 100 / 3, 100])


def test_runs_that_differ_in_more_than_one_thing_are_no_line(make_run):
    runs = [make_run("a", model="m", options={"k": 2}), make_run("b", model="other", options={"k": 4})]
    assert drawn(runs) == {}


def test_models_are_lines_of_their_own(make_run):
    runs = [make_run(f"{model}{k}", model=model, options={"k": k}) for model in "xy" for k in (2, 4)]
    plot = drawn(runs)["k"]
    assert [(line.name, len(line.dots)) for line in plot.lines] == [("model x", 2), ("model y", 2)]
    assert len({line.style for line in plot.lines}) == 2


def test_a_training_says_its_lambda(make_run, tmp_path):
    runs = []
    for value in (1.0, 1.5):
        folder = tmp_path / f"checkpoint-{value}"
        folder.mkdir()
        told = {"stage": "opd", "steps": 3, "objective": {"extrapolation": {"kind": "constant", "value": value}}}
        (folder / "training.json").write_text(json.dumps(told))
        path = str(folder)
        runs.append(
            make_run(f"r{value}", manifest=lambda values, path=path: values["model"].update(path=path, name=path))
        )
    assert list(drawn(runs)) == ["λ"]
    assert [dot.text.split(":")[0] for dot in drawn(runs)["λ"].lines[0].dots] == ["λ 1", "λ 1.5"]


def test_seeds_of_a_run_are_points_without_interval_and_without_a_line_between(make_run):
    run = make_run("seeds", lambda row: good(row, row["index"] % (2 + row["seed"]) == 0), seeds=(0, 1, 2))
    plot = drawn([run])["seed"]
    assert not plot.joined
    assert [tick.text for tick in plot.x.ticks] == ["0", "1", "2"]
    assert all(math.isnan(dot.low) for dot in plot.lines[0].dots)
    for dot, (seed, values) in zip(plot.lines[0].dots, run.summary.by_seed.items(), strict=True):
        assert dot.text == f"seed {seed}: {100 * values['parse_rate']:.1f} %"


def test_a_rate_has_no_axis_beyond_all(make_run):
    run = make_run("seeds", good, seeds=(0, 1))
    plot = drawn([run])["seed"]
    assert plot.y.high == pytest.approx(1.0)
    assert all(dot.y == pytest.approx(100) for dot in plot.lines[0].dots)


def test_another_system_turn_is_another_line(make_run):
    long = "Answer with the list and with nothing else, in JSON, "
    asked = list(enumerate([(2, long + "please"), (4, long + "please"), (2, long + "now"), (4, None)]))
    runs = [make_run(f"r{at}", model="m", options={"k": k}) for at, (k, _) in asked]
    for run, (_, (_, turn)) in zip(runs, asked, strict=True):
        # The null engine, whose configuration this is, takes no system turn.
        object.__setattr__(run.manifest.config, "system", turn)
    (line,) = drawn(runs)["k"].lines
    assert len(line.dots) == 2 and line.name.startswith("system Answer with the list")
