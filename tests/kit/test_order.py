"""`order=shuffled` for list tasks: a permutation that the seed determines, under the same ids, the labels by id."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval import ListOptions, Parsed, load_task

SHUFFLED = ListOptions(order="shuffled")
ITEMS = st.lists(st.text(max_size=8), unique=True, max_size=12)
SEEDS = st.integers(0, 2**40)
LISTS = [
    ("fashion", {"k": 4}),
    ("baby", {"k": 3, "shots": 1}),
    ("software", {"k": 5}),
    ("msmarco", {"k": 4}),
    ("msmarco", {"k": 4, "shots": 1}),
    ("msmarco", {"k": 4, "mode": "rerank", "depth": 10}),
]


def load(name, seed, **options):
    task = load_task(name)
    return task(task.Options(**options)).load(None, seed).examples


@given(ITEMS, SEEDS, st.text(max_size=20))
def test_a_shuffle_is_a_permutation_that_seed_and_name_determine(items, seed, name):
    order = SHUFFLED.in_order(items, seed, name)
    assert sorted(order) == sorted(items)
    assert order == SHUFFLED.in_order(tuple(items), seed, name)
    assert SHUFFLED.list_seed(seed) == 0


@given(ITEMS, SEEDS, st.text(max_size=20))
def test_the_given_order_is_left_alone(items, seed, name):
    assert ListOptions().in_order(items, seed, name) == tuple(items)
    assert ListOptions().list_seed(seed) == seed


def test_every_item_comes_first_equally_often():
    firsts = [SHUFFLED.in_order("abcd", seed, "list")[0] for seed in range(4000)]
    assert all(firsts.count(item) == pytest.approx(1000, abs=120) for item in "abcd")


def test_the_order_is_that_of_every_process():
    code = "from listeval import ListOptions as L; print(*L(order='shuffled').in_order('abcdefgh', 3, 'x'))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert tuple(told.stdout.split()) == SHUFFLED.in_order("abcdefgh", 3, "x")


@pytest.mark.parametrize(("name", "options"), LISTS)
def test_a_seed_changes_the_order_and_nothing_else(name, options):
    one, other = load(name, 1, order="shuffled", **options), load(name, 2, order="shuffled", **options)
    assert [example.id for example in one] == [example.id for example in other]
    moved = 0
    for a, b in zip(one, other, strict=True):
        assert a.target["grades"] == b.target["grades"], "the labels follow by id"
        assert a.cluster == b.cluster
        assert a.messages[:-1] == b.messages[:-1], "worked examples stay as they are"
        moved += a.messages != b.messages
        assert (list(a.target["grades"]) != list(b.target["grades"])) == (a.messages != b.messages)
    assert moved > len(one) / 2
    assert load(name, 1, order="shuffled", **options) == one


@pytest.mark.parametrize(("name", "options"), LISTS)
def test_the_target_has_the_ids_as_the_prompt_has_them_and_gold_is_gold(name, options):
    task = load_task(name)
    made = task(task.Options(order="shuffled", **options))
    for example in made.load(None, 5).examples[:10]:
        ids = list(example.target["grades"])
        question = example.messages[-1].content
        places = [question.index(f"{id}") for id in ids]
        assert places == sorted(places)
        parsed = made.contract(example.target).parse(made.gold(example.target))
        assert isinstance(parsed, Parsed)
        tau = made.score([example.target], [parsed.value])[0]["kendall_tau"]
        assert math.isnan(tau) or tau == pytest.approx(1.0)


def test_shuffled_lists_are_those_of_seed_0():
    given, shuffled = load("fashion", 0, k=4), load("fashion", 7, k=4, order="shuffled")
    assert [(e.id, e.target) for e in given] == [(e.id, e.target) for e in shuffled]


def test_a_window_keeps_its_first_stage_order_beside_that_of_the_prompt():
    options = {"k": 4, "mode": "rerank", "depth": 10}
    given = {e.id: list(e.target["grades"]) for e in load("msmarco", 0, **options)}
    for example in load("msmarco", 3, order="shuffled", **options):
        target = example.target
        assert target.get("first_stage", list(target["grades"])) == given[example.id]
