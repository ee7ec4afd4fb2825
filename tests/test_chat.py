"""Chat turns."""

from __future__ import annotations

from listeval.backends import protocol
from listeval.chat import Message, Prompt, turns


def test_worked_examples_become_turns():
    assert turns([("a?", "A"), ("b?", "B")], "c?") == (
        ("user", "a?"), ("assistant", "A"), ("user", "b?"), ("assistant", "B"), ("user", "c?"),
    )  # fmt: skip


def test_engines_speak_the_same_messages():
    assert (protocol.Message, protocol.Prompt) == (Message, Prompt)
