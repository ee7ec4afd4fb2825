"""Worked examples before a question: others of the data, with their gold answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from listeval.chat import turns
from listeval.kit.listwise import worked_examples
from listeval.task import Example


def with_shots(
    examples: Sequence[Example],
    pool: Sequence[Example],
    shots: int,
    gold: Callable[[Any], str],
    part: str,
    noun: str = "example",
) -> list[Example]:
    """Each example with the first `shots` others of the pool before its question, which is its last message.

    What has the same id is no other, and neither is what asks the same: its gold answer would be the question's own.
    `gold` makes an answer of a target; `part` names the part of the data that the pool is, `noun` what an example is.
    Raises UserError where the pool has too few.
    """

    def shown(one: Example) -> Example:
        own = _question(one)

        def fits(other: Example) -> bool:
            return other.id != one.id and _question(other) != own

        chosen = worked_examples(pool, shots, fits, f"{noun} {one.id}", part)
        worked = [(other.messages[-1].content, gold(other.target)) for other in chosen]
        return one._replace(messages=(*one.messages[:-1], *turns(worked, one.messages[-1].content)))

    return [shown(one) for one in examples]


def _question(example: Example) -> str:
    """What is asked, however it is spaced."""
    return " ".join(example.messages[-1].content.split())
