"""What a ranking is worth that knows nothing: a constant answer has the mean of all orders."""

import json
from itertools import permutations
from typing import Annotated, Literal

import numpy as np
import pytest
from pydantic import Field

from listeval.comparison import chance as chance_module
from listeval.comparison.chance import chance
from listeval.contract import Item, KeyedList
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


class _Graded(Item):
    id: str
    grade: Literal["good", "poor"]
    certain: bool


class _Counted(Item):
    id: str
    score: Annotated[int, Field(ge=0, le=3)]
    why: str


@pytest.mark.parametrize(
    ("item", "fields"),
    [
        (_Graded, lambda grade: {"grade": "good" if grade else "poor", "certain": bool(grade)}),
        (_Counted, lambda grade: {"score": int(grade), "why": f"it has {grade}"}),
    ],
)
@pytest.mark.parametrize("grades", [(0, 1, 1), (3, 0, 2, 1), (0, 0, 1)])
def test_a_constant_keeps_any_model_of_an_item_and_gives_each_field_once(item, fields, grades, monkeypatch):
    """Words and truths rank as numbers do; a scale may end before 5."""
    task = make_task("fashion", {})
    seen = []

    def gold(target):
        return json.dumps([{"id": name, **fields(grade)} for name, grade in target["grades"].items()])

    def score(asked, values):
        seen.extend(values)
        ranked = [[fields(3) == item.model_dump(exclude={"id"}) for item in value] for value in values]
        return [{"ndcg@1": ndcg([list(t["grades"].values())], [r], 1)[0]} for t, r in zip(asked, ranked, strict=True)]

    monkeypatch.setattr(task, "gold", gold)
    monkeypatch.setattr(task, "score", score)
    monkeypatch.setattr(task, "contract", lambda target: KeyedList(item, key="id", ids=tuple(target["grades"])))
    monkeypatch.setattr(chance_module, "make_task", lambda name, options: task)
    orders = [ndcg([grades], [order], 1)[0] for order in permutations(range(len(grades)))]
    assert chance(named("fashion"), targets(grades, grades[::-1]), "ndcg@1").values == pytest.approx(
        [np.mean(orders)] * 2
    )
    for value, ids in zip(seen, targets(grades, grades[::-1]), strict=True):
        assert [one.id for one in value] == list(ids["grades"])
        assert len({one.model_dump_json(exclude={"id"}) for one in value}) == 1


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
