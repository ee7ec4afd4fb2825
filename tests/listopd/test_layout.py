"""Sequences as tensors: padded or packed, every one once, within the bound on tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs torch")

from listopd.batch import AnsweredPrompt, BatchLayout, pack, pad, passes  # noqa: E402

CPU = torch.device("cpu")
TWO = [AnsweredPrompt((1, 2, 3), (4, 5)), AnsweredPrompt((6,), (7, 8, 9))]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 120), st.booleans())
def test_every_sequence_goes_once_and_passes_stay_within_the_bound(lengths, tokens, packed):
    groups = list(passes(lengths, tokens, packed=packed))
    assert sorted(place for group in groups for place in group) == list(range(len(lengths)))
    for group in groups:
        sizes = [lengths[i] for i in group]
        computed = sum(sizes) if packed else max(sizes) * len(sizes)
        assert computed <= tokens or len(group) == 1


def test_padding_stands_on_the_right():
    batch = pad(TWO, CPU)
    assert batch.ids.tolist() == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 0]]
    assert batch.answers.tolist() == [[4, 5, 0], [7, 8, 9]]
    assert batch.mask.tolist() == [[True, True, False], [True, True, True]]
    assert batch.positions is None


def test_packing_has_one_row_whose_positions_restart():
    batch = pack(TWO, CPU)
    assert batch.ids.tolist() == [[1, 2, 3, 4, 5, 6, 7, 8, 9]]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 4, 0, 1, 2, 3]]
    assert batch.tokens == 9 < pad(TWO, CPU).tokens


@pytest.mark.parametrize("lay", [pad, pack])
def test_each_answer_token_knows_the_token_before_it(lay):
    batch = lay(TWO, CPU)
    before = batch.ids.flatten()[batch.rows[batch.mask]].tolist()
    assert before == [3, 4, 6, 7, 8]
    after = batch.ids.flatten()[batch.rows[batch.mask] + 1].tolist()
    assert after == batch.answers[batch.mask].tolist() == [4, 5, 7, 8, 9]


@pytest.mark.parametrize("packed", [False, True])
def test_a_layout_gives_the_places_of_its_rows(packed):
    for places, batch in BatchLayout(6, packed).batches(TWO, CPU):
        answers = [row[kept].tolist() for row, kept in zip(batch.answers, batch.mask, strict=True)]
        assert answers == [list(TWO[i].answer) for i in places]
