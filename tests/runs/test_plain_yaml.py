"""YAML as plain values: whatever a text holds, it is a tree or one of YAML's own errors."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from listeval.runs.plain_yaml import load_plain, merged_pairs

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(), parts, max_size=3),
    max_leaves=9,
)
MARKS = """[ ] { } , : - & * ! << ? | > # % @ ~ " '"""
SCALARS = "a &a *a &b *b null 1 0x 0b_ 1_0:9 2024-13-01 !!int !!bool !!set !!float !!timestamp !!binary !!omap !!pairs"
WORDS = st.sampled_from(f"{MARKS} {SCALARS}".split())


@given(TREES)
def test_trees_are_read_as_they_are(tree):
    assert load_plain(yaml.safe_dump(tree)) == tree


def test_what_stands_twice_by_an_alias_is_a_tree():
    assert load_plain("{a: &x [1], b: *x, c: [*x, *x]}") == {"a": [1], "b": [1], "c": [[1], [1]]}


@pytest.mark.parametrize(
    "text",
    [
        "&a [*a]", "&a {b: [*a]}", "{k: &b [1, {c: *b}]}", "[&a [], &b [*a, *b]]", "&a !!pairs [x: *a]",
        "{k: &a !!omap [x: [*a]]}", "&a [!!pairs [x: *a]]", "{k: &a !!pairs [x: {b: *a}]}",
    ],
)  # fmt: skip
def test_what_holds_itself_is_refused(text):
    with pytest.raises(yaml.YAMLError, match="holds itself"):
        load_plain(text)


@pytest.mark.parametrize("long", [200, 1000])
@pytest.mark.parametrize("text", ["x: 1{0}.0", "x: !!float 1{0}", "x: !!float '-1{0}.5'", "[1{0}.0]", "? 1{0}.0"])
def test_a_number_that_is_too_large_is_an_error_of_yaml_s(text, long):
    with pytest.raises(yaml.YAMLError, match="too large"):
        load_plain(text.format(":00" * long))


@given(st.lists(WORDS, max_size=9), st.sampled_from([" ", "\n", "\n  ", ""]))
def test_any_text_is_a_tree_or_an_error_of_yaml_s(words, between):
    try:
        value = load_plain(between.join(words))
    except yaml.YAMLError:
        return
    json.dumps(value, default=repr, skipkeys=True)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("{<<: {a: 1}, b: 2}", {"a": "1", "b": "2"}),
        ("{a: 2, <<: {a: 1}}", {"a": "2"}),
        ("{<<: [{a: 1}, {b: 4}]}", {"a": "1", "b": "4"}),
    ],
)
def test_merged_keys_are_those_that_yaml_reads(text, pairs):
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    assert {key: value.value for key, value in merged_pairs(node).items()} == pairs
    assert {key: str(value) for key, value in load_plain(text).items()} == pairs
