"""The steps of an answer, and where it leaves the contract."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listopd.probe.walk import StructuralStep, reference, walk
from listopd.tokens import TokenClass, scan

GOLD = b'[{"id": "a1", "s": 7}, {"id": "b2", "s": 10}]'
RIGHT = reference(GOLD, "id")


def last(text, stopped=True):
    return list(walk(text, stopped, RIGHT))[-1]


def test_the_reference_is_read_off_a_right_answer():
    expected = ("id", b"[", 2, {b"a1", b"b2"}, {b"id", b"s"})
    assert expected == RIGHT
    assert reference(b'{"s": 5}', None) == (None, b"{", 1, frozenset(), {b"s"})
    assert reference(b"[1, 2]", None).items == 0


def test_a_right_answer_keeps_its_own_steps_to_the_end():
    steps = list(walk(GOLD, True, RIGHT))
    labels = scan(GOLD, "id")
    assert [(s.at, s.kind, s.item) for s in steps[:-1]] == [(at, *label) for at, label in enumerate(labels)]
    assert all(GOLD[s.at] in s.wanted for s in steps[:-1])
    assert steps[-1] == StructuralStep(len(GOLD), TokenClass.END, 2, b"")


def test_ids_are_free_in_order_but_not_in_use():
    by_place = {s.at: s.wanted for s in walk(GOLD, True, RIGHT) if s.kind is TokenClass.ID}
    assert list(by_place.values()) == [b"ab", b"1", b"b", b"2"]


@pytest.mark.parametrize(
    ("text", "kind", "item", "wanted"),
    [
        (b'[{"id":"a1","s":7}]', TokenClass.NEXT_ITEM, 1, b","),  # the early end: format-manifold collapse
        (b'[{"id":"a1","s":7}', TokenClass.NEXT_ITEM, 1, b","),  # a stop token in its place
        (b'[{"id":"a1","s":7},{"id":"b2","s":1},', TokenClass.CLOSE_LIST, 2, b"]"),
        (b'[{"id":"a1","s":7},{"id":"a1', TokenClass.ID, 2, b"b"),
        (b'[{"id":"a7', TokenClass.ID, 1, b"1"),
        (b'[{"id":"a12', TokenClass.QUOTE, 1, b'"'),
        (b'[{"name', TokenClass.KEY, 1, b"is"),
        (b'[{"id":"a1"}', TokenClass.MEMBER, 1, b","),
        (b'[{"id":"a1","s":7,"x', TokenClass.CLOSE_ITEM, 1, b"}"),
        (b'{"id"', TokenClass.OPEN_LIST, 1, b"["),
        (b"[1, 2]", TokenClass.OPEN_ITEM, 0, b"{"),
        (b"[Review 1] [{", TokenClass.OPEN_ITEM, 0, b"{"),
        (GOLD + b" That is", TokenClass.END, 2, b""),
        (b'[{"id":"a1', TokenClass.QUOTE, 1, b'"'),
        (b"No.", TokenClass.OPEN_LIST, 0, b"["),
    ],
)
def test_the_last_step_is_what_should_have_come(text, kind, item, wanted):
    assert last(text)[1:] == (kind, item, wanted)


def test_text_before_the_list_is_no_step_but_its_beginning():
    steps = list(walk(b"Sure: " + GOLD, True, RIGHT))
    assert (steps[0].kind, steps[0].at) == (TokenClass.OPEN_LIST, 0)
    assert steps[1].kind is TokenClass.OPEN_ITEM
    assert steps[-1].kind is TokenClass.END


def test_an_answer_that_ran_out_of_tokens_has_no_end():
    assert last(GOLD, stopped=False).kind is TokenClass.CLOSE_LIST
    assert last(b'[{"id":"a1', stopped=False).kind is TokenClass.ID


@settings(max_examples=50)
@given(
    st.lists(st.text(max_size=5), min_size=1, max_size=4, unique=True),
    st.sampled_from([(", ", ": "), (",", ":")]),
    st.booleans(),
    st.randoms(),
)
def test_no_right_answer_leaves_the_contract(ids, separators, ascii_only, random):
    def answer(order):
        rows = [{"id": name, "s": 3} for name in order]
        return json.dumps(rows, separators=separators, ensure_ascii=ascii_only).encode("utf-8", "replace")

    right = reference(answer(ids), "id")
    if len(right.ids) < len(ids):
        return  # two ids that are one in UTF-8
    other = answer(random.sample(ids, len(ids)))
    steps = list(walk(other, True, right))
    assert [s.at for s in steps] == list(range(len(other) + 1))
    assert steps[-1].kind is TokenClass.END


@given(st.binary(max_size=40) | st.text('[]{}",:ids12 ab\\', max_size=40).map(str.encode), st.booleans())
def test_any_text_can_be_walked(text, stopped):
    steps = list(walk(text, stopped, RIGHT))
    assert [s.at for s in steps] == sorted(s.at for s in steps)
    assert all(s.wanted or s.kind is TokenClass.END for s in steps)
