"""Binding a contract to its example: what a constrained run learns from the gold answer."""

import json

import pytest

from listeval.errors import UserError
from listeval.plugins.registry import load_task
from listeval.runs import RunConfig, preparation
from listeval.task import Dataset


def config(constraint):
    return RunConfig(task="fashion", model="m", backend="hf", constraint=constraint)


def first_contract(constraint, gold=None):
    task = load_task("fashion")()
    if gold is not None:
        task.gold = gold
    return preparation.first_contract(task, {0: task.load(None, 0)}, config(constraint))


def rows(spacing):
    return lambda target: json.dumps([{"review_id": name, "score": 1} for name in target["grades"]], **spacing)


@pytest.mark.parametrize("constraint", ["schema", "permutation", "scaffold"])
def test_a_constrained_contract_knows_how_gold_is_spaced(constraint):
    assert first_contract(constraint).separators == (", ", ": ")
    assert first_contract(constraint, rows({"separators": (",", ":")})).separators == (",", ":")
    assert first_contract(constraint, rows({"indent": 1})).separators is None


def test_a_contract_that_examples_share_is_left_alone():
    task = load_task("fashion")()
    examples = task.load(None, 0).examples[:2]
    shared = task.contract(examples[0].target)
    task.contract = lambda target: shared
    answers = iter(['{"a":1}', '{"a": 1}'])
    task.gold = lambda target: next(answers)
    data = {0: Dataset(examples, "inline", "1", {})}
    first, second = (preparation.first_contract(task, data, config("permutation")) for _ in range(2))
    assert (first.separators.key, second.separators.key, shared.separators.key) == (":", ": ", ": ")
    assert first.ids == shared.ids


def test_a_free_run_does_not_read_gold():
    def gold(target):
        raise AssertionError

    assert first_contract("none", gold).separators == (", ", ": ")


def test_an_example_without_a_gold_answer_is_named():
    with pytest.raises(UserError, match=r"no gold answer for its example .*: 'answer'.*correct the task"):
        first_contract("permutation", lambda target: target["answer"])
