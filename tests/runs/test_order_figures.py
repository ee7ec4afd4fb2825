"""Figures of a shuffled order: planted biases are found, an order that changes nothing is said to change nothing."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, linregress

from listeval import RunConfig, compare, load_run, load_task, rescore, run
from listeval.runs.figures.order_figures import FIRST, SLOPE, STABILITY, order_columns, order_effect

GRADES = st.lists(st.integers(0, 20), min_size=2, max_size=7).filter(lambda grades: len(set(grades)) > 1)


def task_of(name="fashion", **options):
    task = load_task(name)
    return task(task.Options(**{"order": "shuffled", "k": 4} | options))


def answers(task, score, seeds=(0, 1, 2), limit=None):
    """Rows as a run writes them, of a model that scores the item at a place as `score(grade, place, k)` says."""
    rows = []
    for seed in seeds:
        for example in task.load(None, seed).examples[:limit]:
            grades = example.target["grades"]
            value = [
                {"review_id": id, "score": score(grade, place, len(grades))}
                for place, (id, grade) in enumerate(grades.items())
            ]
            rows.append({
                "kind": "ok", "outcome": "scored", "example": example.id, "cluster": example.cluster, "seed": seed,
                "target": example.target, "value": value,
            })  # fmt: skip
    return rows


def test_a_model_that_reads_only_the_items_is_stable_and_unbiased():
    task = task_of()
    found = order_effect(task, answers(task, lambda grade, place, k: grade))
    assert found.figures[STABILITY].value == 1
    assert found.figures[SLOPE].value == found.figures[FIRST].value == 0
    assert [place.value for place in found.places] == [0, 0, 0, 0]


def test_a_model_that_reads_only_the_places_is_found_out():
    task = task_of()
    found = order_effect(task, answers(task, lambda grade, place, k: 8 - 2 * place))
    low, high = found.figures[STABILITY].low, found.figures[STABILITY].high
    assert low < 0.1
    assert high > -0.1
    # From 8 to 2 over the places; the grades' part averages out over random orders.
    assert found.figures[SLOPE].low < -6 < found.figures[SLOPE].high
    assert found.figures[FIRST].value == pytest.approx(0.75, abs=0.1), "always on top, where gold has it one time in 4"
    assert [p.value for p in found.places] == sorted((p.value for p in found.places), reverse=True)


def test_a_constant_answer_has_no_ranks_to_be_stable():
    task = task_of()
    found = order_effect(task, answers(task, lambda grade, place, k: 5))
    assert math.isnan(found.figures[STABILITY].value)
    half = [*answers(task, lambda grade, place, k: 5, seeds=(0,)), *answers(task, lambda g, p, k: g, seeds=(1,))]
    assert order_effect(task, half).figures[STABILITY].value == 0


def test_scores_beyond_the_scale_count_as_its_ends():
    task = task_of()
    wild = order_effect(task, answers(task, lambda grade, place, k: 1e300 if place == 0 else -1e300))
    assert abs(wild.figures[SLOPE].value) < 30


def test_broken_and_unscored_answers_are_in_none_of_it():
    task = task_of()
    good = answers(task, lambda grade, place, k: grade)
    broken = [{**row, "kind": "no_json", "value": None} for row in answers(task, lambda g, p, k: 0, seeds=(3,))]
    unscored = [{**row, "outcome": "unscored"} for row in answers(task, lambda g, p, k: p, seeds=(4,))]
    assert order_effect(task, [*good, *broken, *unscored]).figures == order_effect(task, good).figures


def test_one_seed_has_a_bias_but_no_stability():
    task = task_of()
    found = order_effect(task, answers(task, lambda grade, place, k: 8 - 2 * place, seeds=(3,)))
    assert math.isnan(found.figures[STABILITY].value)
    assert found.figures[SLOPE].high < 0


def test_nothing_is_said_of_an_order_that_is_given():
    task = task_of(order="given")
    rows = answers(task, lambda grade, place, k: grade)
    assert order_effect(task, rows) is None
    assert order_columns(task, rows) == {}


class Names:
    """A task whose lists are at hand; the gold answer is the grades."""

    def __init__(self, template):
        self.options, self.contract, self.gold = template.options, template.contract, template.gold


@given(GRADES, st.data())
def test_each_figure_is_scipy_s(grades, data):
    """Against scipy's tau-b and regression, list by list."""
    task = Names(task_of())
    by_id = {f"r{n}": float(grade) / 2 for n, grade in enumerate(grades)}
    rows = []
    for _ in (0, 1):
        ids = data.draw(st.permutations(list(by_id)))
        scores = data.draw(st.lists(st.integers(0, 10), min_size=len(ids), max_size=len(ids)))
        value = [{"review_id": id, "score": score} for id, score in zip(ids, scores, strict=True)]
        target = {"grades": {id: by_id[id] for id in ids}}
        rows.append({"kind": "ok", "outcome": "scored", "example": "e", "target": target, "value": value})
    columns = order_columns(task, rows)
    places = np.linspace(0, 1, len(grades))
    for at, row in enumerate(rows):
        excess = [item["score"] - by_id[item["review_id"]] for item in row["value"]]
        assert columns[SLOPE][at] == pytest.approx(linregress(places, excess).slope, abs=1e-9)
    one, two = ({item["review_id"]: item["score"] for item in row["value"]} for row in rows)
    varied = [len(set(scores.values())) > 1 for scores in (one, two)]
    if list(one) == list(two) or not any(varied):
        assert math.isnan(columns[STABILITY][0])
    else:
        wanted = kendalltau(list(one.values()), [two[id] for id in one]).statistic if all(varied) else 0.0
        assert columns[STABILITY][0] == pytest.approx(wanted)
    assert math.isnan(columns[STABILITY][1])


def config(folder, **changes):
    values = {"task": "fashion", "model": "null", "backend": "null", "options": {"k": 4, "order": "shuffled"}}
    return RunConfig(**{**values, "seeds": (0, 1), "out": str(folder), **changes})


def test_a_run_keeps_them_with_its_metrics(tmp_path):
    done = run(config(tmp_path / "a"))
    kept = json.loads((done.path / "metrics.json").read_text())
    assert kept["order"] == done.order.to_json() == done.to_json()["order"]
    assert kept["figures"][STABILITY] == kept["order"][STABILITY]["value"] == done.estimates[STABILITY].value
    assert len(done.order.places) == 4
    assert rescore(done.path).order == done.order == load_run(done.path).order
    plain = run(config(tmp_path / "b", options={"k": 4}))
    assert plain.order is None
    assert plain.figures == {}
    assert "order" not in plain.to_json()


def test_the_order_is_part_of_a_row_s_identity(tmp_path):
    keys = [{row["key"] for row in run(config(tmp_path / str(seed), seeds=(seed,))).rows} for seed in (0, 1)]
    given = {row["key"] for row in run(config(tmp_path / "g", seeds=(0,), options={"k": 4})).rows}
    assert not keys[0] & keys[1]
    assert not keys[0] & given


def test_prompts_of_a_seed_are_the_same_on_another_engine(tmp_path):
    one, other = (run(config(tmp_path / model, model=model)) for model in ("null", "gold"))
    assert [row["prompt"] for row in one.rows] == [row["prompt"] for row in other.rows]


def test_a_comparison_shows_them_of_every_arm(tmp_path):
    runs = [run(config(tmp_path / model, model=model)).path for model in ("null", "gold")]
    values = compare(runs).values
    assert values[1][STABILITY].value == 1
    assert values[0][STABILITY].value < 0.5
    assert STABILITY not in compare(runs).contrasts[0].differences
    plain = [run(config(tmp_path / f"{m}-p", model=m, options={"k": 4})).path for m in ("null", "gold")]
    assert STABILITY not in compare(plain).values[0]
