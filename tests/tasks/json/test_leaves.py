"""Leaf metrics against plain enumeration, and the stated rule of when two leaves are the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.json.leaves import Rule, compare_leaves, leaves, normal, path_text, same_json, same_leaf

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, 1.0]) | st.sampled_from(["", "x", "X "]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=8,
)
RULE = Rule()


def enumerated(value, path=()):
    """Leaves by recursion, the slow and plain way."""
    if isinstance(value, dict) and value:
        return {k: v for key, part in value.items() for k, v in enumerated(part, (*path, key)).items()}
    if isinstance(value, list) and value:
        return {k: v for key, part in enumerate(value) for k, v in enumerated(part, (*path, key)).items()}
    return {path: value}


@settings(max_examples=300, deadline=None)
@given(JSON, JSON)
def test_the_metrics_are_what_enumeration_gives(expected, found):
    wanted, given_ = enumerated(expected), enumerated(found)
    assert list(leaves(expected)) == list(wanted.items())
    result = compare_leaves(expected, found, RULE)
    both = wanted.keys() & given_.keys()
    right = {path for path in both if same_leaf(wanted[path], given_[path], RULE)}
    assert set(result.right) == right and set(result.wrong) == both - right
    assert set(result.omitted) == wanted.keys() - given_.keys()
    assert set(result.invented) == given_.keys() - wanted.keys()
    assert result.accuracy == len(right) / len(wanted)
    assert result.precision == len(both) / len(given_)
    assert result.recall == len(both) / len(wanted)


@settings(max_examples=200, deadline=None)
@given(JSON, JSON)
def test_the_same_json_has_every_leaf_right_and_no_other(expected, found):
    if same_json(expected, found):
        assert compare_leaves(expected, found, Rule(text="exact")) == compare_leaves(expected, expected, RULE)
    assert same_json(expected, json.loads(json.dumps(expected)))
    assert same_json(expected, found) is same_json(found, expected)


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        (1, 1.0, True), (1, True, False), (0, False, False), (None, False, False), (1, "1", False), ("", None, False),
        ([], {}, False), ([], [], True), (0.3, 0.1 + 0.2, True), (0.3, 0.3001, False),
        (10**12, 10**12 + 1, False), (10**400, 1.0, False), (10**400, 10**400, True),
        ("Lund", " lund\n", True), ("a  b", "a b", True), ("ﬁne", "FINE", True), ("e\u0301", "\u00e9", True),
        ("a-b", "a b", False), ("2026-01-02", "2026-1-2", False), ("1.0", "1", False), ("x.", "x", False),
    ],
)  # fmt: skip
def test_the_rule_by_example(expected, found, same):
    assert same_leaf(expected, found, RULE) is same
    assert same_leaf(found, expected, RULE) is same


@pytest.mark.parametrize(
    ("expected", "found", "rule", "same"),
    [
        (100, 104, Rule(tolerance=0.05), True), (100, 110, Rule(tolerance=0.05), False),
        (1.0, 1.04, Rule(tolerance=0.05), True), (0, 0.001, Rule(tolerance=0.05), False),
        ("Lund", "lund", Rule(text="exact"), False), ("Lund", "Lund", Rule(text="exact"), True),
    ],
)  # fmt: skip
def test_the_rule_can_be_set(expected, found, rule, same):
    assert same_leaf(expected, found, rule) is same


@given(st.text())
def test_a_text_is_normal_once_it_was_made_so(text):
    assert normal(f" {text}\t") == normal(text)


def test_paths_are_json_paths_and_a_key_with_a_dot_is_no_step():
    assert path_text(("items", 2, "name")) == "$.items[2].name"
    assert path_text(("items", 2, "name"), positions=False) == "$.items[].name"
    assert path_text(("a.b", "")) == '$["a.b"][""]'
    assert path_text(()) == "$"


def test_values_nested_without_end_are_compared_all_the_same():
    deep: object = 1
    for _ in range(5000):
        deep = [deep]
    assert compare_leaves(deep, deep, RULE).accuracy == 1.0
