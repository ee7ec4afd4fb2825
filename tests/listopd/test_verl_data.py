"""The score that verl logs: whether an answer keeps its schema, thinking apart. Needs no verl."""

from __future__ import annotations

import json

import pytest

from listopd.verl.data import compute_score

SCHEMA = json.dumps({"type": "array", "items": {"type": "integer"}})


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ("[1, 2]", 1.0),
        ("[1, [2]]", 0.0),
        ('<think>Maybe [..] or ["a"].</think>[1, 2]', 1.0),
        ('<think>Maybe.</think>\n["a"]', 0.0),
        ("<think>So [1, 2]", 0.0),
    ],
)
def test_what_a_model_thinks_is_no_part_of_its_answer(said, score):
    assert compute_score("listeval/x", said, SCHEMA) == score
