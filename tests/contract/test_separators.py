"""How a text is spaced: whatever `json.dumps` can be told comes back, and what is no one pair is None."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.contract import KeyedList
from listeval.contract.separators import USUAL, Separators
from tests.contract.test_keyed_list import Scored

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
spaces = st.text(" \t\n\r", max_size=3)


@given(values, spaces, spaces)
def test_what_json_dumps_was_told_comes_back(value, after_item, after_key):
    given = Separators("," + after_item, ":" + after_key)
    text = json.dumps(value, separators=given)
    found = Separators.of(text)
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    assert found.item == (given.item if "," in outside else USUAL.item)
    assert found.key == (given.key if ":" in outside else USUAL.key)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([{"a": 1, "b": 2}], indent=2),
        '{"a": 1,"b":2}',
        '{"a": 1, "b": 2,"c": 3}',
        '{"a" : 1}',
        '{ "a": 1}',
        ' {"a": 1}',
        '{"a": 1}\n',
        "def f(): pass",
        "",
        "[" * 100_000,
    ],
)
def test_no_one_pair(text):
    assert Separators.of(text) is None


def test_a_contract_spaces_as_most_do_until_it_is_told():
    contract = KeyedList(Scored, key="review_id", ids=("a",))
    assert contract.separators == USUAL == (", ", ": ")
