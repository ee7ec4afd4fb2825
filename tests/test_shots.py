"""Worked examples before a question."""

from __future__ import annotations

import pytest

from listeval.chat import Message
from listeval.errors import UserError
from listeval.kit.shots import with_shots
from listeval.task import Example


def example(n, system=False):
    before = (Message("system", "Be brief."),) if system else ()
    return Example(f"e{n}", (*before, Message("user", f"Q{n}")), {"answer": n}, "cluster")


def gold(target):
    return f"A{target['answer']}"


def test_the_first_others_stand_before_the_question():
    pool = [example(n) for n in range(3)]
    first, last = with_shots([example(0), example(9, system=True)], pool, 2, gold, "the pool")
    assert first.messages == (
        ("user", "Q1"), ("assistant", "A1"), ("user", "Q2"), ("assistant", "A2"), ("user", "Q0"),
    )  # fmt: skip
    assert [message.content for message in last.messages] == ["Be brief.", "Q0", "A0", "Q1", "A1", "Q9"]
    assert (first.id, first.target, first.cluster) == ("e0", {"answer": 0}, "cluster")


def test_none_leave_everything_as_it_is():
    assert with_shots([example(1)], [], 0, gold, "the pool") == [example(1)]


def test_what_asks_the_same_is_no_other_whatever_its_id():
    """Its answer would be the question's own."""
    pool = [example(0)._replace(id="train-1", messages=(Message("user", "Q0 \n"),)), example(1), example(2)]
    [found] = with_shots([example(0)], pool, 2, gold, "the pool")
    assert [message.content for message in found.messages] == ["Q1", "A1", "Q2", "A2", "Q0"]


def test_too_few_say_for_what():
    with pytest.raises(UserError, match="3 worked examples are asked for, the pool has 2 for question e0"):
        with_shots([example(0)], [example(n) for n in range(3)], 3, gold, "the pool", "question")
