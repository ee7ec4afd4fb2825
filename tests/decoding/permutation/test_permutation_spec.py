"""The spec of a permutation: JSON both ways, what it refuses, and a bound of its answers that is one."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from listeval.decoding.permutation.automaton import Cursor, Permutation
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.spacing import Spacing
from listeval.errors import UserError
from tests.decoding.conftest import LAYOUT
from tests.decoding.permutation.test_permutation import KEYS_ALONE, LATE, STOP, WEIRD, vocabulary


def longest_path(cursor: Cursor) -> int:
    """Steps of the longest answer from here on, each byte a token; ids count once each, whatever their order."""
    known: dict[tuple[int, bytes, int], int] = {}

    def steps(here: Cursor) -> int:
        place = here._state, here._prefix, here._unused
        if place not in known:
            known[place] = 0 if here.complete else 1 + max(map(steps, map(partial(after, here), here.allowed())))
        return known[place]

    def after(here: Cursor, token: int) -> Cursor:
        twin = here.copy()
        twin.advance(int(token))
        return twin

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        return steps(cursor)
    finally:
        sys.setrecursionlimit(limit)


SPEC: dict[str, Any] = {"ids": ["a"], "fields": [["k", None]], "spacing": "either", "gold": [", ", ": "]}


def test_json_both_ways() -> None:
    spec = PermutationSpec(WEIRD, LATE)
    assert PermutationSpec.from_spec(json.loads(json.dumps(spec.spec()))) == spec


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {**SPEC, "ids": [1]},
        {**SPEC, "fields": [["k", {"x": 1}]]},
        {**SPEC, "spacing": "spaced"},
        {**SPEC, "spacing": None},
        {**SPEC, "gold": [",", ":", ","]},
        {**SPEC, "gold": [1, ":"]},
        {name: value for name, value in SPEC.items() if name != "gold"},
    ],
)
def test_broken_json_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="no permutation spec"):
        PermutationSpec.from_spec(broken)


@pytest.mark.parametrize("gold", [[",x", ":"], [" ,", ":"], ["", ":"], [":", ","], [",\u00a0", ":"]])
def test_separators_are_those_of_json(gold: list[str]) -> None:
    assert PermutationSpec.from_spec(SPEC)
    with pytest.raises(UserError, match="is no separator of JSON"):
        PermutationSpec.from_spec({**SPEC, "gold": gold})


def test_gold_needs_to_know_how_gold_is_spaced() -> None:
    either = PermutationSpec.from_spec({**SPEC, "gold": None})
    assert either.write({"a": {}}) == '[{"k": "a"}]'
    with pytest.raises(UserError, match=r"not spaced in one way.*--spacing gold.*--spacing either"):
        PermutationSpec.from_spec({**SPEC, "spacing": "gold", "gold": None})


def test_a_contract_with_other_fields_is_refused() -> None:
    from listeval.contract import Id, Item, KeyedList

    class Worded(Item):
        review_id: Id
        why: str

    with pytest.raises(UserError, match="field 'why' is no plain number"):
        PermutationSpec.of(KeyedList(Worded, key="review_id", ids=("a",)))


@pytest.mark.parametrize("spacing", list(Spacing))
def test_the_longest_answer_is_reached_where_each_byte_is_a_token(spacing: Spacing) -> None:
    for ids, layout in ((WEIRD[:5], LAYOUT), (("a", "b"), LATE), (("a", "b"), KEYS_ALONE)):
        spec = PermutationSpec(ids, replace(layout, spacing=spacing))
        cursor = Permutation(spec, vocabulary(), [STOP]).cursor()
        assert longest_path(cursor) + 1 == spec.longest_answer()
