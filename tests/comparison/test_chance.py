"""What a ranking is worth that knows nothing: a constant answer has the mean of all orders."""

from itertools import permutations

import numpy as np
import pytest

from listeval.comparison.chance import chance
from listeval.plugins.open import make_task
from listeval.runs.entries import TaskEntry
from listeval.runs.preparation import task_entry
from listeval.scoring.ranking import ndcg


def targets(*grades):
    return [{"grades": {f"R{at}": float(g) for at, g in enumerate(own)}} for own in grades]


def named(name, **options):
    return TaskEntry(name=name, version=1, options=options, code="", metrics=[])


def entry(name="fashion", **options):
    return task_entry(make_task(name, options))


@pytest.mark.parametrize("grades", [(9, 1, 4, 4), (0, 0, 10, 3), (5, 6, 7, 8)])
def test_a_constant_is_worth_the_mean_of_all_orders(grades):
    orders = [ndcg([grades], [order], 1)[0] for order in permutations(range(len(grades)))]
    assert chance(entry(), targets(grades), "ndcg@1").values == pytest.approx([np.mean(orders)])


def test_tau_of_a_constant_is_nothing():
    assert chance(entry(), targets((9, 1, 4, 4)), "kendall_tau").values.tolist() == [0.0]


@pytest.mark.parametrize("name", ["gsm8k", "bfcl", "mbpp"])
def test_a_task_that_ranks_nothing_has_no_chance(name):
    task = make_task(name, {})
    target = task.load(None, 0).examples[0].target
    found = chance(task_entry(task), [target], "accuracy")
    assert (found.values, found.why) == (None, "")


def test_a_task_without_a_useful_metric_is_not_asked():
    assert chance(named("nowhere"), [], None) == (None, "")


@pytest.mark.parametrize(
    ("task", "asked", "why"),
    [
        (named("nowhere"), targets((1, 2)), "nowhere"),
        (named("fashion", colour=1), targets((1, 2)), "colour"),
        (named("fashion"), [{"no": "grades"}], "KeyError"),
        (named("fashion"), targets((0, 0, 0)), "undefined on every sample"),
    ],
)
def test_what_keeps_it_unknown_is_said(task, asked, why):
    found = chance(task, asked, "ndcg@1")
    assert found.values is None
    assert why in found.why
