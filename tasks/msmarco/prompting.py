"""From lists to chat turns: the question, and worked examples before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from listeval.backends.protocol import Message
from listeval.kit import listwise
from listeval.kit.wording import wording

from .lists import PassageList
from .passages import TOP_GRADE, Passage, Query

KEY = "docid"
"""The field that names a passage in an answer."""

_TOP_SCORE = 10


def answer(grades: Mapping[str, int | None]) -> str:
    """The JSON list that scores as the humans graded: 0, 3, 7, 10 for grades 0 to 3, unjudged as 0."""
    return listwise.answer(
        KEY, {docid: round((grade or 0) * _TOP_SCORE / TOP_GRADE) for docid, grade in grades.items()}
    )


def grades_of(passages: Iterable[Passage]) -> dict[str, int | None]:
    """Grade by docid, in prompt order."""
    return {passage.docid: passage.grade for passage in passages}


def question(query: Query, passages: Sequence[Passage]) -> str:
    """The prompt of one list; texts stand as they are."""
    return wording(Path(__file__).with_name("prompt.jinja"))(query=query.text, passages=passages)


def turns(query: Query, passages: Sequence[Passage], examples: Sequence[PassageList]) -> tuple[Message, ...]:
    """Each worked example as a user and an assistant turn, then the question."""
    shown: list[Message] = []
    for example in examples:
        shown.append(Message("user", question(example.query, example.passages)))
        shown.append(Message("assistant", answer(grades_of(example.passages))))
    return (*shown, Message("user", question(query, passages)))


def worked_examples(query: Query, pool: Sequence[PassageList], shots: int) -> list[PassageList]:
    """`shots` lists of the pool, of as many other queries and of another split than the question's.

    Raises UserError where the pool has too few.
    """
    taken = {query.qid}

    def fits(candidate: PassageList) -> bool:
        other = candidate.query
        if other.qid in taken or other.split == query.split:
            return False
        taken.add(other.qid)
        return True

    return listwise.worked_examples(pool, shots, fits, f"query {query.qid}", "another split")
